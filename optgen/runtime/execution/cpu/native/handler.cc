// The one XLA FFI handler behind every CPU kernel of optgen. It finds the kernel that the call
// names, hands it the buffers, and lets it run on XLA's own threads. It is compiled once for
// each version of jaxlib, against XLA's C header: the C++ one costs ten times as long.

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "optgen_kernel.h"
#include "xla/ffi/api/c_api.h"

#if defined(__x86_64__) || defined(__i386__)
#define OPTGEN_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define OPTGEN_PAUSE() __asm__ volatile("yield")
#else
#define OPTGEN_PAUSE() ((void)0)
#endif

namespace {

// Newer headers rename the types of these two, so they are named by where they stand.
using Context = decltype(XLA_FFI_CallFrame::ctx);
using Extension = decltype(XLA_FFI_CallFrame::extension_start);
using Task = void (*)(void* data, int64_t index);

// Kernels by key.

std::shared_mutex kernels_mutex;

std::unordered_map<uint64_t, optgen_entry>& kernels() {
  static auto* table = new std::unordered_map<uint64_t, optgen_entry>;  // outlives every thread
  return *table;
}

optgen_entry find_kernel(uint64_t key) {
  std::shared_lock<std::shared_mutex> lock(kernels_mutex);
  auto found = kernels().find(key);
  return found == kernels().end() ? nullptr : found->second;
}

// The tasks of one optgen_pool::run, on the heap: a helper that XLA starts only after the run has
// ended finds nothing to claim, and must still be able to see that. Nobody ever waits for a helper
// to start, only for tasks that a running thread has claimed; so a busy pool, or one of a single
// thread which is the caller's own, delays nothing and cannot deadlock.
class Work {
 public:
  Work(int64_t tasks, Task task, void* data) : tasks_(tasks), task_(task), data_(data) {
    std::fegetenv(&environment_);
  }

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }

  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  bool exhausted() const { return next_.load(std::memory_order_relaxed) >= tasks_; }

  // Claims and runs tasks until none is left.
  void drain() {
    for (;;) {
      int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
      if (index >= tasks_) return;
      try {
        task_(data_, index);
      } catch (...) {  // must not unwind into XLA's thread: the caller throws it again
        std::lock_guard<std::mutex> lock(mutex_);
        if (!error_) error_ = std::current_exception();
      }
      if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == tasks_) {
        std::lock_guard<std::mutex> lock(mutex_);
        all_done_.notify_all();
      }
    }
  }

  // The same on a thread of XLA's, in the floating-point environment of the caller: whether
  // subnormals count must not depend on which thread takes a task.
  void help() {
    if (exhausted()) return;
    std::fenv_t own;
    std::fegetenv(&own);
    std::fesetenv(&environment_);
    drain();
    std::fesetenv(&own);
  }

  // Returns once every task is done, with the first exception that one threw.
  std::exception_ptr wait() {
    for (int spins = 0; spins < kSpins && !finished(); ++spins) OPTGEN_PAUSE();
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return finished(); });
    return std::move(error_);
  }

 private:
  // Some 20 µs: tasks are cut so that the last ones end together, and sleeping costs about that.
  static constexpr int kSpins = 500;

  bool finished() const { return done_.load(std::memory_order_acquire) == tasks_; }

  const int64_t tasks_;
  const Task task_;
  void* const data_;
  std::fenv_t environment_;
  std::atomic<int64_t> references_{1};
  alignas(64) std::atomic<int64_t> next_{0};  // apart from what else is written: all contend for it
  alignas(64) std::atomic<int64_t> done_{0};
  std::mutex mutex_;
  std::condition_variable all_done_;
  std::exception_ptr error_;
};

// XLA's thread pool, as the kernel sees it.
class Pool {
 public:
  explicit Pool(const XLA_FFI_CallFrame* frame)
      : api_(frame->api), context_(frame->ctx), face_{count_threads(), this, &Pool::run} {}

  const optgen_pool* face() const { return &face_; }

 private:
  static void run(void* self, int64_t tasks, Task task, void* data) {
    static_cast<const Pool*>(self)->run(tasks, task, data);
  }

  void run(int64_t tasks, Task task, void* data) const {
    int64_t helpers = std::min(face_.threads, tasks) - 1;
    if (helpers <= 0) {
      for (int64_t index = 0; index < tasks; ++index) task(data, index);
      return;
    }
    Work* work = new Work(tasks, task, data);
    while (helpers-- > 0 && !work->exhausted() && schedule(work)) {
    }
    work->drain();
    std::exception_ptr error = work->wait();
    work->release();
    if (error) std::rethrow_exception(error);
  }

  bool schedule(Work* work) const {
    XLA_FFI_ThreadPool_Schedule_Args args{};
    args.struct_size = XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE;
    args.ctx = context_;
    args.data = work;
    args.task = [](void* data) {
      static_cast<Work*>(data)->help();
      static_cast<Work*>(data)->release();
    };
    work->retain();
    if (ok(api_->XLA_FFI_ThreadPool_Schedule(&args))) return true;
    work->release();
    return false;
  }

  int64_t count_threads() const {
    int64_t threads = 1;
    XLA_FFI_ThreadPool_NumThreads_Args args{};
    args.struct_size = XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE;
    args.ctx = context_;
    args.num_threads = &threads;
    return ok(api_->XLA_FFI_ThreadPool_NumThreads(&args)) ? std::max<int64_t>(threads, 1) : 1;
  }

  // Without a pool, the caller does all the work itself.
  bool ok(XLA_FFI_Error* error) const {
    if (error == nullptr) return true;
    XLA_FFI_Error_Destroy_Args args{};
    args.struct_size = XLA_FFI_Error_Destroy_Args_STRUCT_SIZE;
    args.error = error;
    api_->XLA_FFI_Error_Destroy(&args);
    return false;
  }

  const XLA_FFI_Api* const api_;
  const Context context_;
  const optgen_pool face_;  // last: counting the threads needs the other two
};

XLA_FFI_Error* fail(const XLA_FFI_Api* api, XLA_FFI_Error_Code code, const std::string& reason) {
  std::string message = "optgen_cpu: " + reason;
  XLA_FFI_Error_Create_Args args{};
  args.struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE;
  args.message = message.c_str();
  args.errc = code;
  return api->XLA_FFI_Error_Create(&args);
}

// XLA asks before it registers a handler which version of its interface that was compiled for.
XLA_FFI_Error* report_metadata(const XLA_FFI_Api* api, XLA_FFI_Metadata* metadata) {
  if (metadata->struct_size < XLA_FFI_Metadata_STRUCT_SIZE) {
    return fail(api, XLA_FFI_Error_Code_INVALID_ARGUMENT,
                "XLA asked for its metadata in a form older than the header that it ships");
  }
  metadata->api_version.struct_size = XLA_FFI_Api_Version_STRUCT_SIZE;
  metadata->api_version.extension_start = nullptr;
  metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  metadata->api_version.minor_version = XLA_FFI_API_MINOR;
  metadata->traits = 0;
  metadata->state_type_id = XLA_FFI_UNKNOWN_TYPE_ID;
  return nullptr;
}

// The attribute of this name and type, or NULL.
const void* attribute(const XLA_FFI_Attrs& attrs, const char* name, XLA_FFI_AttrType type) {
  for (int64_t i = 0; i < attrs.size; ++i) {
    const XLA_FFI_ByteSpan& found = *attrs.names[i];
    if (found.len == std::strlen(name) && std::memcmp(found.ptr, name, found.len) == 0) {
      return attrs.types[i] == type ? attrs.attrs[i] : nullptr;
    }
  }
  return nullptr;
}

template <typename Type>
std::vector<void*> addresses(void** buffers, const Type* types, int64_t size, Type wanted) {
  std::vector<void*> found(size);
  for (int64_t i = 0; i < size; ++i) {
    if (types[i] != wanted) throw std::invalid_argument("an operand is no buffer");
    found[i] = static_cast<const XLA_FFI_Buffer*>(buffers[i])->data;
  }
  return found;
}

XLA_FFI_Error* execute(const XLA_FFI_CallFrame* frame) {
  auto* key = static_cast<const XLA_FFI_Scalar*>(
      attribute(frame->attrs, "kernel", XLA_FFI_AttrType_SCALAR));
  auto* plan = static_cast<const XLA_FFI_Array*>(
      attribute(frame->attrs, "plan", XLA_FFI_AttrType_ARRAY));
  if (key == nullptr || key->dtype != XLA_FFI_DataType_S64 || plan == nullptr ||
      plan->dtype != XLA_FFI_DataType_S64) {
    return fail(frame->api, XLA_FFI_Error_Code_INVALID_ARGUMENT,
                "the call lacks the attributes `kernel`, an int64, and `plan`, an array of int64");
  }
  int64_t number = *static_cast<const int64_t*>(key->value);
  optgen_entry kernel = find_kernel(static_cast<uint64_t>(number));
  if (kernel == nullptr) {
    return fail(frame->api, XLA_FFI_Error_Code_NOT_FOUND,
                "no kernel has the key " + std::to_string(number) +
                    " in this process. The program was compiled or exported by another one, or by "
                    "another version of optgen: make and trace the same optgen optimizer here "
                    "before running it");
  }
  auto arguments =
      addresses(frame->args.args, frame->args.types, frame->args.size, XLA_FFI_ArgType_BUFFER);
  auto results =
      addresses(frame->rets.rets, frame->rets.types, frame->rets.size, XLA_FFI_RetType_BUFFER);
  Pool pool(frame);
  optgen_call call{arguments.data(),
                   results.data(),
                   static_cast<const int64_t*>(plan->data),
                   static_cast<int64_t>(plan->size),
                   frame->args.size,
                   frame->rets.size,
                   pool.face()};
  const char* message = kernel(&call);
  return message == nullptr ? nullptr : fail(frame->api, XLA_FFI_Error_Code_INTERNAL, message);
}

}  // namespace

OPTGEN_EXPORT void optgen_register(uint64_t key, void* kernel) {
  std::unique_lock<std::shared_mutex> lock(kernels_mutex);
  kernels()[key] = reinterpret_cast<optgen_entry>(kernel);
}

OPTGEN_EXPORT XLA_FFI_Error* optgen_cpu(XLA_FFI_CallFrame* frame) {
  for (Extension link = frame->extension_start; link != nullptr; link = link->next) {
    if (link->type == XLA_FFI_Extension_Metadata) {
      auto* question = reinterpret_cast<XLA_FFI_Metadata_Extension*>(link);
      return report_metadata(frame->api, question->metadata);
    }
  }
  if (frame->stage != XLA_FFI_ExecutionStage_EXECUTE) return nullptr;  // nothing to prepare
  try {
    return execute(frame);
  } catch (const std::exception& error) {
    return fail(frame->api, XLA_FFI_Error_Code_INTERNAL, error.what());
  } catch (...) {
    return fail(frame->api, XLA_FFI_Error_Code_INTERNAL, "the kernel threw an exception");
  }
}
