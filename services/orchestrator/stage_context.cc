#include "services/orchestrator/stage_context.h"

#include "absl/strings/str_cat.h"
#include "libs/base/digest.h"
#include "libs/base/status.h"

namespace trainyard::orchestrator {

absl::StatusOr<std::string> StageContext::Resolve(const std::string& uri) const {
  return environment.resolve(uri, pipeline.path_map);
}

const std::vector<std::string>& AddressesOf(const Environment& environment,
                                            const Pipeline& pipeline, const StageSpec& stage) {
  static const auto* const none = new std::vector<std::string>();
  const auto own = pipeline.services.find(stage.kind->service);
  if (own != pipeline.services.end()) return own->second;
  const auto fallback = environment.default_services.find(stage.kind->service);
  return fallback == environment.default_services.end() ? *none : fallback->second;
}

const std::vector<std::string>& StageContext::Addresses() const {
  return AddressesOf(environment, pipeline, stage);
}

const std::string& StageContext::Key() const {
  static const auto* const none = new std::string();
  if (!stage.kind->uses_key) return *none;
  return choices.key.empty() ? pipeline.key : choices.key;
}

absl::Status StageContext::VerifyOutputs(const v1::StageResult& result,
                                          const std::stop_token& stop) const {
  for (const v1::Artifact& output : result.outputs()) {
    const std::string what = absl::StrCat("output '", output.name(), "' at '", output.uri(), "'");
    if (output.sha256().empty()) {
      return absl::DataLossError(absl::StrCat(what, " was reported without a digest"));
    }
    // The service's own name for the path: the pipeline's path_map is not for it.
    TY_ASSIGN_OR_RETURN(const std::string path, environment.resolve(output.uri(), {}));
    const auto digest = PathDigest(path, stop);
    if (absl::IsCancelled(digest.status())) return digest.status();
    if (!digest.ok())
      return absl::DataLossError(absl::StrCat(what, ": ", digest.status().message()));
    if (*digest != output.sha256()) {
      return absl::DataLossError(
          absl::StrCat(what, " has sha256 ", *digest, "; recorded is ", output.sha256()));
    }
  }
  return absl::OkStatus();
}

}  // namespace trainyard::orchestrator
