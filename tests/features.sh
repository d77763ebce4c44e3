#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Does each test exist that Documentation/features.rst names? Prints those that do not.
cd "$(dirname "$0")/.." || exit

existing() {
	sed -n 's/^TEST_F\(_TIMEOUT\)\?(\([a-z_0-9]*\), \([a-z_0-9]*\).*/\2.\3/p' tests/selftests/*.c
	sed -n 's/^TEST\(_TIMEOUT\)\?(\([a-z_0-9]*\).*/global.\2/p' tests/selftests/*.c
	sed -n 's/^\tKUNIT_CASE[A-Z_]*(\([a-z_0-9]*\).*/kunit: \1/p' driver/*_test.c
	sed -n 's/^suite_\([a-z_]*\)().*/suite: \1/p' tests/run
}

# The last column of each row that has ours: one name, or several in quotes.
named() {
	sed -n '/csv-table/,$ s/^   .*,yes,\(suite: [a-z_]*\|[^,"]*\|"[^"]*"\)$/\1/p' \
		Documentation/features.rst | tr -d '"' | sed 's/, */\n/g'
}

rows=$(named | wc -l)
[ "$rows" -gt 30 ] || { echo "only $rows tests are named"; exit 1; }
missing=$(named | sort -u | grep -v -x -F -f <(existing))
[ -z "$missing" ] || { echo "no such test:"; echo "$missing"; exit 1; }
