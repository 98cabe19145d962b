#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "c10/core/Device.h"

namespace trainyard::training {

/// Resolves a job's device: `cpu`, `cuda` (device `index`), or `auto` (CUDA when it works, else the
/// CPU). CUDA is not linked: where a driver (libcuda.so.1) is there, libtorch_cuda.so of the running
/// LibTorch is opened once and registers its kernels, so that the same binary serves both.
///
/// kFailedPrecondition, with the reason, when `cuda` was asked for and is not there or has no device
/// `index`; kInvalidArgument for another name. Call before the first tensor is made; thread-safe.
absl::StatusOr<at::Device> ResolveDevice(absl::string_view name, int index);

/// The devices that ResolveDevice can give here: "cpu", and "cuda:0 NVIDIA H200" for each GPU. Opens
/// LibTorch's CUDA part where there is a driver.
std::vector<std::string> ListDevices();

/// "cpu (2 threads)", "cuda:0": for events and logs.
std::string DescribeDevice(const at::Device& device, int threads);

/// How a budget of threads is spent.
struct Threads {
  int computing = 1, loading = 1;
  /// Whether the loader works while the network does.
  bool loads_ahead = false;
};

/// On a CPU computing and loading take turns, each with all of `budget`, for it is the same cores that
/// do both; beside a GPU the loader works ahead, with all threads but the one that feeds the GPU. So
/// never more than `budget` threads work at one time (two, with a budget of one beside a GPU).
/// `workers` > 0 asks for fewer loading threads (TAO's n_workers), and is capped.
Threads ShareThreads(int budget, int workers, bool on_cpu);

/// Limits LibTorch to `threads` (one for inter-op work) for the whole process, and chooses
/// reproducible kernels when `deterministic`. Call before work begins; again to change it.
void ConfigureLibTorch(int threads, bool deterministic);

/// Lets the whole process keep the memory that tensors give back, for a training on the CPU. By default
/// each large tensor is mapped anew and its pages are cleared at their first touch, a tenth of a step's
/// time; kept, the process holds up to twice the memory (docs/training.md).
void KeepFreedMemory();

}  // namespace trainyard::training
