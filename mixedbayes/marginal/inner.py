"""How the functions of the kernel are compiled: into those that call them."""

from mixedbayes import jit

inner = jit.inner
