# Flags of single files, each with its reason: CFLAGS_<path, / written as _> = flags. $(IS_CLANG) is
# empty where the compiler is gcc.

# The interpreter's loop ends in some 250 indirect jumps; gcc's global common subexpression elimination
# and cross-jumping merge them into a few, which the branch predictor pays for. sqrt sets no errno. Each
# of those jumps' targets would begin with an endbr64, a tenth of the loop's time, for a check of indirect
# branches that Linux does not do in user space; shadow stacks stay possible.
CFLAGS_src_interp_interp.c = -fno-math-errno $(if $(filter x86_64-%,$(MACHINE)),-fcf-protection=return) $(if $(IS_CLANG),,-fno-gcse -fno-crossjumping)

# Lanes of f32 and f64 are rooted without a look at errno.
CFLAGS_src_interp_simd.c = -fno-math-errno
