"""`python -m dybench` is `dybench`."""

import sys

from dybench.cli import main

sys.exit(main())
