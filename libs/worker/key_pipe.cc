#include "libs/worker/key_pipe.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace trainyard::worker {

absl::StatusOr<int> MakeKeyPipe(absl::string_view key) {
  // A pipe takes at least 64 KiB before a write would wait for a reader.
  if (key.size() > kMostKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key has ", key.size(), " bytes; at most ", kMostKeyBytes, " are possible"));
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot make a pipe: ", strerror(errno)));
  }
  ssize_t written;
  do {
    written = write(ends[1], key.data(), key.size());
  } while (written < 0 && errno == EINTR);
  close(ends[1]);
  if (written == static_cast<ssize_t>(key.size())) return ends[0];
  close(ends[0]);
  return absl::InternalError("cannot write to a pipe");
}

absl::StatusOr<std::string> ReadKeyPipe(int fd) {
  const absl::Cleanup close_it = [fd] { close(fd); };
  // One buffer from the beginning: growing would leave copies behind.
  std::string key(kMostKeyBytes + 1, '\0');
  size_t size = 0;
  while (size < key.size()) {
    const ssize_t count = read(fd, key.data() + size, key.size() - size);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("the key cannot be read from descriptor ", fd, ": ", strerror(errno)));
    }
    size += static_cast<size_t>(count);
  }
  if (size > kMostKeyBytes) {
    Wipe(key);
    return absl::InvalidArgumentError(
        absl::StrCat("the key at descriptor ", fd, " has more than ", kMostKeyBytes, " bytes"));
  }
  key.resize(size);
  return key;
}

void ForbidDumps() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

void Wipe(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace trainyard::worker
