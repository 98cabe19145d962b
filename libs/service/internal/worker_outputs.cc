#include "libs/service/internal/worker_outputs.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

bool IsBelow(const std::string& path, const std::string& folder) {
  return absl::StartsWith(std::filesystem::path(path).lexically_normal().string(),
                          absl::StrCat(folder, "/"));
}

// Fills in what the artifact does not say; kDataLoss when it says what is not so.
absl::Status Verify(const Workspace* workspace, const std::string& job_dir,
                    const std::stop_token& stop, v1::Artifact& artifact) {
  std::string path = artifact.uri();
  const auto differs = [&artifact](absl::string_view what) {
    return absl::DataLossError(absl::StrCat("'", artifact.name(), "' at '", artifact.uri(), "' ", what));
  };
  if (workspace != nullptr && !IsBelow(path, job_dir)) {
    const auto resolved = workspace->Resolve(artifact.uri());
    if (!resolved.ok()) return differs(absl::StrCat("is none of this job's: ", resolved.status().message()));
    path = *resolved;
  }
  const auto size = PathSize(path);
  if (!size.ok()) return differs("is not there");
  if (!artifact.sha256().empty() && artifact.size_bytes() != *size) {
    return differs(absl::StrCat("has ", *size, " bytes; the worker reported ", artifact.size_bytes()));
  }
  TY_ASSIGN_OR_RETURN(const std::string digest, PathDigest(path, stop));
  if (!artifact.sha256().empty() && artifact.sha256() != digest) {
    return differs(absl::StrCat("has the digest ", digest, "; the worker reported ", artifact.sha256()));
  }
  artifact.set_sha256(digest);
  artifact.set_size_bytes(*size);
  if (workspace != nullptr) artifact.set_uri(workspace->UriOf(path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::StageResult> VerifiedResult(const worker::v1::Finished& finished,
                                               const Workspace* workspace,
                                               const std::string& job_dir,
                                               const std::stop_token& stop) {
  TY_RETURN_IF_ERROR(worker::StatusFromRpc(finished.status()));
  v1::StageResult result;
  std::vector<std::string> wrong;
  for (const v1::Artifact& output : finished.outputs()) {
    v1::Artifact artifact = output;
    const absl::Status status = Verify(workspace, job_dir, stop, artifact);
    if (absl::IsCancelled(status)) return status;
    if (!status.ok()) wrong.emplace_back(status.message());
    *result.add_outputs() = std::move(artifact);
  }
  if (!wrong.empty()) {
    return worker::WithReason(
        absl::DataLossError(absl::StrCat(
            "the outputs are not as the worker reported them: ", absl::StrJoin(wrong, "; "),
            "; something else writes into its results folder: make that the worker's own, and start "
            "again")),
        "OUTPUT_NOT_AS_REPORTED");
  }
  *result.mutable_metrics() = finished.metrics();
  for (const std::string& note : finished.notes()) result.add_notes(Redact(note));
  return result;
}

}  // namespace trainyard::service
