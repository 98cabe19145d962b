#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// Puts `where` in front of the message and keeps the code and payloads; an OK status stays OK.
///
///     Annotate(DataLossError("CRC differs"), "shard 3") -> DATA_LOSS: shard 3: CRC differs
inline absl::Status Annotate(const absl::Status& status, absl::string_view where) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(where, ": ", status.message()));
  status.ForEachPayload([&annotated](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

namespace internal {
inline absl::Status ToStatus(const absl::Status& status) { return status; }
template <typename T>
absl::Status ToStatus(const absl::StatusOr<T>& result) {
  return result.status();
}
}  // namespace internal

}  // namespace trainyard

#define TY_CONCAT_INNER(a, b) a##b
#define TY_CONCAT(a, b) TY_CONCAT_INNER(a, b)

/// Returns the status of `expression` from the enclosing function unless it is OK.
#define TY_RETURN_IF_ERROR(expression)                                                   \
  do {                                                                                   \
    const absl::Status ty_status = ::trainyard::internal::ToStatus((expression));        \
    if (!ty_status.ok()) return ty_status;                                               \
  } while (false)

/// Assigns the value of a StatusOr to `target` (which may declare a variable), or returns its status.
#define TY_ASSIGN_OR_RETURN(target, expression) \
  TY_ASSIGN_OR_RETURN_INNER(TY_CONCAT(ty_result_, __LINE__), target, expression)
#define TY_ASSIGN_OR_RETURN_INNER(result, target, expression) \
  auto result = (expression);                                 \
  if (!result.ok()) return result.status();                   \
  target = std::move(result).value()
