#pragma once

#include <signal.h>
#include <sys/resource.h>

#include "gtest/gtest.h"

namespace trainyard::testing {

/// While it lives, no file of this process grows, as on a disk without space: each write fails. Output of
/// the test itself must not go to a file meanwhile.
class FullDisk {
 public:
  FullDisk() {
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
    const rlimit none{0, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  }
  ~FullDisk() { EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before_), 0); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
};

}  // namespace trainyard::testing
