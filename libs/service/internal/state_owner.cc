#include "libs/service/internal/state_owner.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace trainyard::service {
namespace {

constexpr int64_t kMostBytes = 256;

std::string MarkOf(const std::string& state_dir) { return JoinPath(state_dir, "service"); }

}  // namespace

absl::Status CheckStateOwner(const std::string& state_dir, const std::string& service) {
  const auto text = ReadFile(MarkOf(state_dir), kMostBytes);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  TY_RETURN_IF_ERROR(text.status());
  const absl::string_view owner = absl::StripAsciiWhitespace(*text);
  if (owner == service) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the state folder '", state_dir, "' belongs to the service ", owner, "; this is ",
                   service, ": give it a folder of its own (--state-dir)"));
}

absl::Status ClaimStateDir(const std::string& state_dir, const std::string& service) {
  TY_RETURN_IF_ERROR(CheckStateOwner(state_dir, service));
  if (FileExists(MarkOf(state_dir))) return absl::OkStatus();
  TY_RETURN_IF_ERROR(MakeFolders(state_dir));
  return WriteFileAtomically(MarkOf(state_dir), absl::StrCat(service, "\n"));
}

}  // namespace trainyard::service
