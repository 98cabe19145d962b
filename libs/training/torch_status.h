#pragma once

#include <exception>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "c10/util/Exception.h"

namespace trainyard::training {

/// Thrown through LibTorch where work is given up on request.
struct StopRequested : std::exception {
  const char* what() const noexcept override { return "given up on request"; }
};

/// LibTorch's exception as a Status: kResourceExhausted when memory ran out, kCancelled for
/// StopRequested, else kInternal.
/// `where` says what we did: "node 'conv1' (Conv)".
inline absl::Status TorchStatus(absl::string_view where, const std::exception& error) {
  if (dynamic_cast<const StopRequested*>(&error) != nullptr) {
    return absl::CancelledError(absl::StrCat(where, ": ", error.what()));
  }
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
