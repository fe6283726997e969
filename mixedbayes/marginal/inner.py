"""How the functions of the kernel are compiled.

Long ones that only the entry points call are inlined before compilation.
"""

from mixedbayes import jit

inner = jit.inner
inline = jit.inner
