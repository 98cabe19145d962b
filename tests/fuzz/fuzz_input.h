#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

// What every fuzz target of this folder offers, to libFuzzer as to replay_main.cc: it reads any
// bytes and returns; whatever is wrong with them must end as a Status.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace trainyard::fuzz {

inline absl::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Ends the process where a reader broke its promise, so that the fuzzer keeps the input.
inline void Require(bool holds) {
  if (!holds) abort();
}

/// The bytes as a file in memory, for readers that take a path.
class MemoryFile {
 public:
  explicit MemoryFile(absl::string_view bytes) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    Require(fd_ >= 0);
    Require(write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(fd_); }
  std::string path() const { return absl::StrCat("/proc/self/fd/", fd_); }

 private:
  int fd_;
};

}  // namespace trainyard::fuzz
