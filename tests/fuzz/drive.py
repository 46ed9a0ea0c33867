"""One target under atheris, in a process of its own, which atheris ends: `python -m fuzz.drive TARGET [OPTION ...]`.

Options are libFuzzer's: https://llvm.org/docs/LibFuzzer.html#options
"""

import sys
import warnings

import atheris

with atheris.instrument_imports(include=["standfast"]):
    from fuzz.targets import target_of

if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of what others' readers find odd in hostile octets
    target = target_of(sys.argv.pop(1))
    atheris.Setup(sys.argv, target.law)
    atheris.Fuzz()
