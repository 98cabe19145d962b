#include "libs/training/device.h"

#include <dlfcn.h>
#include <malloc.h>

#include <algorithm>

#include "ATen/Context.h"
#include "ATen/Parallel.h"
#include "ATen/detail/CUDAHooksInterface.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace trainyard::training {
namespace {

std::string LastLoadError() {
  const char* error = dlerror();
  return error == nullptr ? "unknown reason" : error;
}

// libtorch_cuda.so of the LibTorch that runs: another one beside it would be a second LibTorch.
std::string CudaLibraryPath() {
  Dl_info info;
  const auto* symbol = reinterpret_cast<const void*>(&at::set_num_threads);
  if (dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return "libtorch_cuda.so";
  return JoinPath(DirName(info.dli_fname), "libtorch_cuda.so");
}

// Both libraries stay open for the life of the process: kernels are registered from them.
absl::Status OpenCuda() {
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("no NVIDIA driver on this machine: ", LastLoadError()));
  }
  if (dlopen(CudaLibraryPath().c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a driver is here, but LibTorch's CUDA part cannot be opened: ", LastLoadError(),
        "; run with a torch that was installed with its CUDA packages (put its lib folder first on "
        "LD_LIBRARY_PATH)"));
  }
  return absl::OkStatus();
}

const absl::Status& CudaOpened() {
  static const absl::Status opened = OpenCuda();
  return opened;
}

// The driver's name of a GPU; "" when it gives none.
std::string GpuName(int index) {
  using GetDevice = int (*)(int* device, int ordinal);
  using GetName = int (*)(char* name, int length, int device);
  const auto get_device = reinterpret_cast<GetDevice>(dlsym(RTLD_DEFAULT, "cuDeviceGet"));
  const auto get_name = reinterpret_cast<GetName>(dlsym(RTLD_DEFAULT, "cuDeviceGetName"));
  int device = 0;
  char name[128] = {};
  if (get_device == nullptr || get_name == nullptr || get_device(&device, index) != 0 ||
      get_name(name, sizeof(name) - 1, device) != 0) {
    return "";
  }
  return absl::StrCat(" ", name);
}

absl::StatusOr<at::Device> CudaDevice(int index) {
  TY_RETURN_IF_ERROR(CudaOpened());
  try {
    const int count = at::detail::getCUDAHooks().deviceCount();
    if (index < 0 || index >= count) {
      return absl::FailedPreconditionError(
          absl::StrFormat("device_index is %d; this machine has %d CUDA devices", index, count));
    }
    at::globalContext().lazyInitDevice(at::kCUDA);
  } catch (const std::exception& error) {
    return absl::FailedPreconditionError(absl::StrCat("CUDA does not start: ", error.what()));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

}  // namespace

absl::StatusOr<at::Device> ResolveDevice(absl::string_view name, int index) {
  if (name == "cpu") return at::Device(at::kCPU);
  if (name == "cuda") return CudaDevice(index);
  if (name == "auto" || name.empty()) {
    auto cuda = CudaDevice(index);
    return cuda.ok() ? *cuda : at::Device(at::kCPU);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("device is '", name, "'; expected 'cpu', 'cuda' or 'auto'"));
}

std::vector<std::string> ListDevices() {
  std::vector<std::string> devices = {"cpu"};
  for (int i = 0; CudaDevice(i).ok(); ++i) devices.push_back(absl::StrCat("cuda:", i, GpuName(i)));
  return devices;
}

std::string DescribeDevice(const at::Device& device, int threads) {
  if (device.is_cpu()) return absl::StrFormat("cpu (%d threads)", threads);
  return device.str();
}

Threads ShareThreads(int budget, int workers, bool on_cpu) {
  const int most = std::max(1, on_cpu ? budget : budget - 1);
  Threads threads{.loading = workers > 0 ? std::min(workers, most) : most, .loads_ahead = !on_cpu};
  threads.computing = std::max(1, on_cpu ? budget : budget - threads.loading);
  return threads;
}

void ConfigureLibTorch(int threads, bool deterministic) {
  at::set_num_threads(std::max(1, threads));
  // LibTorch takes this number once in a process.
  static const bool interop_set = (at::set_num_interop_threads(1), true);
  static_cast<void>(interop_set);
  at::globalContext().setBenchmarkCuDNN(!deterministic);
  at::globalContext().setDeterministicCuDNN(deterministic);
  // Operators without a reproducible kernel warn; they occur on CUDA only.
  at::globalContext().setDeterministicAlgorithms(deterministic, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

void KeepFreedMemory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
}

}  // namespace trainyard::training
