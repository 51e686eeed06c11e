#!/bin/sh
# Prints the first Python 3.11 or newer: $PYTHON where it is set, else python3, else a numbered one.
for candidate in "${PYTHON:-python3}" python3.11 python3.12 python3.13 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        command -v "$candidate"
        exit 0
    fi
    [ -n "$PYTHON" ] && break
done
found=$("${PYTHON:-python3}" -c 'import platform; print(platform.python_version())' 2>/dev/null)
echo "KOKEX needs Python 3.11 or newer, but ${PYTHON:-python3} is ${found:-not installed}." \
    "Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3 ..." >&2
exit 1
