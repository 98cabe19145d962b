#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "c10/util/Exception.h"

namespace trainyard::training {

/// LibTorch's exception as a Status: kResourceExhausted when memory ran out, else kInternal.
/// `where` says what we did: "node 'conv1' (Conv)".
inline absl::Status TorchStatus(absl::string_view where, const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string what =
      torch_error != nullptr ? torch_error->what_without_backtrace() : std::string(error.what());
  const std::string message = absl::StrCat(where, ": ", what);
  const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
                      dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
                      what.find("can't allocate memory") != std::string::npos;
  return memory ? absl::ResourceExhaustedError(message) : absl::InternalError(message);
}

}  // namespace trainyard::training
