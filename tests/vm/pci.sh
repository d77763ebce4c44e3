# SPDX-License-Identifier: GPL-2.0-only
# Sourced by vm.sh: root ports to plug NPUs into, an npu-emu for each of those that
# are there from the beginning, and tells QEMU of them.

append+=" npu_emu.default_device=0"
ports=16

# The server reads and writes the guest's memory: a file that it can map.
qemu+=(-object "memory-backend-memfd,id=ram,size=${memory}M,share=on"
       -machine memory-backend=ram)
[ -z "${NPU_IOMMU:-}" ] || qemu+=(-device "intel-iommu,caching-mode=on")
# Of a faster port Linux wants to hear that the link is up again after a reset, which
# QEMU's does not say.
for ((i = 0; i < ports; i++)); do
	qemu+=(-device "pcie-root-port,id=port$i,chassis=$((i + 1)),slot=$((i + 1)),x-speed=2_5")
done

start_npu() {	# OPTION...
	local n=${#there[@]} socket
	socket=$sockets/npu$n
	"$BUILD/pci/npu-emu" --socket "$socket" "$@" 2>>"$work/npu-emu.log" &
	await_socket "$socket" || die "npu-emu does not start: $(cat "$work/npu-emu.log")"
	there+=("npu$n=port$n")
	qemu+=(-device
	       "{\"driver\":\"vfio-user-pci\",\"id\":\"npu$n\",\"bus\":\"port$n\",\"socket\":{\"type\":\"unix\",\"path\":\"$socket\"}}")
}

IFS=';' read -ra devices <<<"${NPU_EMU:- }"
for device in "${devices[@]}"; do
	start_npu $device
done
