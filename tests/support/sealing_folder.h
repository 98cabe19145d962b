#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"

namespace trainyard::testing {

/// A folder of a test, removed with all that is in it.
class TestFolder {
 public:
  TestFolder() : path_(JoinPath(::testing::TempDir(), "trainyard-XXXXXX")) {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TestFolder() { (void)RemoveTree(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(absl::string_view name) const { return JoinPath(path_, name); }

 private:
  std::string path_;
};

}  // namespace trainyard::testing
