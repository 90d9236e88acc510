# Flags of single files, each with its reason: CFLAGS_<path, / written as _> = flags. $(IS_CLANG) is
# empty where the compiler is gcc.
