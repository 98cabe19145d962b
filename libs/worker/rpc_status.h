#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"

namespace trainyard::worker {

/// The `domain` of every ErrorInfo of ours.
inline constexpr char kErrorDomain[] = "trainyard.dev";

/// How much of an error may travel (gRPC trailers end at 8 KiB).
struct RpcStatusLimits {
  /// Serialized bytes of all details together.
  size_t detail_bytes = 4096;
  /// Bytes of the message; a longer one is cut and says so.
  size_t message_bytes = 32768;
};

/// `status` as google.rpc.Status: the code, the message without secrets and Printable, and details:
/// ErrorInfo always (the reason of WithReason, else the code's name), BadRequest when there are
/// problems (libs/base/problems.h) with as many of them as fit, RetryInfo when WithRetry set it.
/// ErrorInfo.metadata["problemCount"] is the total of problems.
google::rpc::Status RpcStatusFrom(const absl::Status& status, const RpcStatusLimits& limits = {});

/// The way back: code and message, details as payloads, so that ProblemsFrom, ReasonOf and RetryOf
/// work on the result. A code that is no status code becomes kUnknown.
absl::Status StatusFromRpc(const google::rpc::Status& status);

/// Sets ErrorInfo: `reason` in UPPER_SNAKE_CASE, and the variables of the message by name.
absl::Status WithReason(absl::Status status, absl::string_view reason,
                        const std::map<std::string, std::string>& metadata = {});
/// The reason, or "".
std::string ReasonOf(const absl::Status& status);
/// One value of ErrorInfo's metadata, or "".
std::string ReasonValueOf(const absl::Status& status, const std::string& key);

/// Sets RetryInfo: the same call may succeed after this long.
absl::Status WithRetry(absl::Status status, absl::Duration delay);
/// The delay that WithRetry set, or a negative one.
absl::Duration RetryOf(const absl::Status& status);

}  // namespace trainyard::worker
