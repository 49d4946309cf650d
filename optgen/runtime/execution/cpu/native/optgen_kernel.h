// What a CPU kernel that optgen emitted is given, and what it must offer. It includes nothing of
// XLA, whose C++ header alone takes seconds to compile: a kernel compiles in a fraction of one.

#ifndef OPTGEN_KERNEL_H_
#define OPTGEN_KERNEL_H_

#include <cstdint>

// Libraries are compiled with hidden symbols, so an entry must be marked for others to find it.
#define OPTGEN_EXPORT extern "C" __attribute__((visibility("default")))

extern "C" {

// The threads of the computation, the calling one among them.
struct optgen_pool {
  int64_t threads;  // how many may run at once; at least 1
  void* self;
  // Runs task(data, index) for each index in 0 … tasks-1, in any order, each exactly once, and
  // returns when all are done. Whichever thread is free takes the next index, the caller too. A
  // task must not call run itself. Every thread rounds and treats subnormals as the caller does.
  void (*run)(void* self, int64_t tasks, void (*task)(void* data, int64_t index), void* data);
};

// One call. A result that is aliased has its argument's address; all others overlap nothing. A
// buffer without elements may have the address NULL. Buffers are in row-major order.
struct optgen_call {
  void* const* arguments;
  void* const* results;
  const int64_t* plan;  // what the emitter said of this call: sizes, strides, branches
  int64_t plan_size;
  int64_t n_arguments;
  int64_t n_results;
  const optgen_pool* pool;
};

// Returns NULL, or what went wrong: a text that stays valid after the return.
typedef const char* (*optgen_entry)(const optgen_call* call);

}  // extern "C"

#endif  // OPTGEN_KERNEL_H_
