#include "libs/worker/rpc_status.h"

#include <algorithm>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"
#include "libs/base/log.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"

namespace trainyard::worker {
namespace {

constexpr char kTypePrefix[] = "type.googleapis.com/";
constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";
constexpr char kProblemCount[] = "problemCount";

template <typename Message>
bool GetPayload(const absl::Status& status, absl::string_view url, Message* message) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() && message->ParseFromString(std::string(*payload));
}

template <typename Message>
void SetPayload(absl::Status& status, absl::string_view url, const Message& message) {
  status.SetPayload(url, absl::Cord(message.SerializeAsString()));
}

// The last position at or before `length` that does not cut a UTF-8 sequence.
size_t CutPosition(absl::string_view text, size_t length) {
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return length;
}

std::string CutMessage(std::string message, size_t most) {
  if (message.size() <= most) return message;
  const std::string note = absl::StrCat(" ... (cut; ", message.size(), " bytes in all)");
  message.resize(CutPosition(message, most > note.size() ? most - note.size() : 0));
  return message + note;
}

// As many problems as fit into `most` bytes.
google::rpc::BadRequest BadRequestFrom(const std::vector<Problem>& problems, size_t most) {
  google::rpc::BadRequest bad;
  size_t used = 0;
  for (const Problem& problem : problems) {
    google::rpc::BadRequest::FieldViolation violation;
    violation.set_field(Printable(Redact(problem.field)));
    std::string description = problem.description;
    if (!problem.place.empty()) description = absl::StrCat(problem.place, ": ", description);
    violation.set_description(Printable(Redact(description)));
    used += violation.ByteSizeLong() + 4;  // tag and length
    if (used > most) break;
    *bad.add_field_violations() = std::move(violation);
  }
  return bad;
}

}  // namespace

google::rpc::Status RpcStatusFrom(const absl::Status& status, const RpcStatusLimits& limits) {
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int>(status.code()));
  if (status.ok()) return rpc;
  rpc.set_message(CutMessage(Printable(Redact(status.message())), limits.message_bytes));

  google::rpc::ErrorInfo info;
  if (!GetPayload(status, kErrorInfoUrl, &info)) {
    info.set_reason(absl::StatusCodeToString(status.code()));
  }
  info.set_domain(kErrorDomain);
  // Names that a caller made up come back here, too.
  for (auto& [key, value] : *info.mutable_metadata()) {
    value = CutMessage(Printable(Redact(value)), limits.detail_bytes / 4);
  }
  const std::vector<Problem> problems = ProblemsFrom(status);
  if (!problems.empty()) {
    (*info.mutable_metadata())[kProblemCount] = absl::StrCat(problems.size());
  }
  rpc.add_details()->PackFrom(info);
  size_t used = rpc.details(0).ByteSizeLong();

  const auto add = [&](const google::protobuf::Message& detail) {
    google::protobuf::Any any;
    any.PackFrom(detail);
    if (used + any.ByteSizeLong() > limits.detail_bytes) return;
    used += any.ByteSizeLong();
    *rpc.add_details() = std::move(any);
  };
  google::rpc::RetryInfo retry;
  if (GetPayload(status, kRetryInfoUrl, &retry)) add(retry);
  if (!problems.empty()) {
    const size_t room = limits.detail_bytes - std::min(limits.detail_bytes, used + 64);
    add(BadRequestFrom(problems, room));
  }
  return rpc;
}

absl::Status StatusFromRpc(const google::rpc::Status& rpc) {
  if (rpc.code() == 0) return absl::OkStatus();
  const bool known = rpc.code() > 0 && rpc.code() <= 16;
  absl::Status status(known ? static_cast<absl::StatusCode>(rpc.code()) : absl::StatusCode::kUnknown,
                      rpc.message());
  for (const google::protobuf::Any& detail : rpc.details()) {
    if (!absl::StartsWith(detail.type_url(), kTypePrefix)) continue;
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  google::rpc::BadRequest bad;
  if (GetPayload(status, kBadRequestUrl, &bad)) {
    status.ErasePayload(kBadRequestUrl);
    Problems problems;
    for (const auto& violation : bad.field_violations()) {
      problems.AddProblem({violation.field(), violation.description(), ""});
    }
    problems.ToStatus().ForEachPayload([&status](absl::string_view url, const absl::Cord& payload) {
      status.SetPayload(url, payload);
    });
  }
  return status;
}

absl::Status WithReason(absl::Status status, absl::string_view reason,
                        const std::map<std::string, std::string>& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(kErrorDomain);
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = Printable(value);
  SetPayload(status, kErrorInfoUrl, info);
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  return GetPayload(status, kErrorInfoUrl, &info) ? info.reason() : "";
}

std::string ReasonValueOf(const absl::Status& status, const std::string& key) {
  google::rpc::ErrorInfo info;
  if (!GetPayload(status, kErrorInfoUrl, &info)) return "";
  const auto found = info.metadata().find(key);
  return found == info.metadata().end() ? "" : found->second;
}

absl::Status WithRetry(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo retry;
  const absl::Duration rest = delay - absl::Seconds(absl::ToInt64Seconds(delay));
  retry.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  retry.mutable_retry_delay()->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(rest)));
  SetPayload(status, kRetryInfoUrl, retry);
  return status;
}

absl::Duration RetryOf(const absl::Status& status) {
  google::rpc::RetryInfo retry;
  if (!GetPayload(status, kRetryInfoUrl, &retry)) return absl::Seconds(-1);
  return absl::Seconds(retry.retry_delay().seconds()) +
         absl::Nanoseconds(retry.retry_delay().nanos());
}

}  // namespace trainyard::worker
