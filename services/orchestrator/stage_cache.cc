#include "services/orchestrator/stage_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/key_reference.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/orchestrator/cache_key.h"
#include "services/orchestrator/stage_input.h"

namespace trainyard::orchestrator {

absl::StatusOr<std::string> StageCache::KeyOf(const v1::StageInput& input,
                                              const std::stop_token& stop) {
  TY_ASSIGN_OR_RETURN(const std::string results,
                      context_.Resolve(RunFolder(context_.pipeline, context_.run_id)));
  bool changing = false;
  const PathRule digest_of = [&](absl::string_view written) -> absl::StatusOr<std::string> {
    TY_ASSIGN_OR_RETURN(const std::string path, context_.Resolve(std::string(written)));
    auto digest = DigestOfPath(written, path, results, stop);
    if (!absl::IsFailedPrecondition(digest.status())) return digest;
    changing = true;
    return std::string(written);
  };

  CacheIngredients ingredients{
      .kind = context_.stage.kind->name,
      .implementation_version = context_.stage.kind->implementation_version,
      .network = input.network(),
      .options = DeterministicBytes(*context_.stage.options),
      .outputs = context_.stage.outputs};
  if (!input.spec_text().empty()) {
    TY_ASSIGN_OR_RETURN(
        ingredients.canonical_spec,
        context_.environment.read_spec(SpecQuestionOf(context_.stage, input), digest_of));
  }
  for (const v1::Artifact& artifact : input.inputs()) {
    std::string digest = artifact.sha256();
    if (digest.empty()) {
      TY_ASSIGN_OR_RETURN(digest, digest_of(artifact.uri()));
    }
    ingredients.inputs.emplace_back(artifact.name(), digest);
  }
  for (const std::string& uri : context_.stage.reads) {
    TY_ASSIGN_OR_RETURN(const std::string digest, digest_of(uri));
    ingredients.reads.push_back(digest);
  }
  if (context_.stage.kind->hardware_bound) {
    const auto hardware = Hardware();
    // A service that is away is waited for later; only the cache is given up.
    if (!hardware.ok()) return "";
    ingredients.hardware = *hardware;
  }
  const auto key = ReadKey(context_.Key());
  if (!key.ok()) {
    LogInfo("stage is not cached: whether its key is still the same cannot be seen here",
            {{"run", context_.run_id},
             {"stage", context_.stage.name},
             {"error", std::string(key.status().message())}});
    return "";
  }
  ingredients.key_mark = KeyMark(context_.environment.store->salt(), *key);
  if (changing) {
    LogInfo("stage is not cached: it reads a folder that holds the results",
            {{"run", context_.run_id}, {"stage", context_.stage.name}});
    return "";
  }
  return CacheKey(ingredients);
}

absl::StatusOr<std::string> StageCache::Hardware() {
  absl::Status status = absl::UnavailableError("no address");
  for (const std::string& address : context_.Addresses()) {
    const auto capabilities = context_.environment.client->Capabilities(address);
    if (capabilities.ok() && capabilities->devices_size() > 0) {
      return absl::StrJoin(capabilities->devices(), "\n");
    }
    status = capabilities.ok() ? absl::NotFoundError(absl::StrCat(address, " tells no devices"))
                               : capabilities.status();
  }
  return status;
}

absl::StatusOr<std::optional<CacheEntry>> StageCache::Find(const std::string& cache_key,
                                                           const std::stop_token& stop) {
  if (cache_key.empty()) return std::nullopt;
  auto found = context_.environment.store->FindCached(cache_key);
  absl::Status status = found.status();
  if (found.ok()) {
    if (!found->has_value()) return std::nullopt;
    status = context_.VerifyOutputs((*found)->result, stop);
    if (status.ok()) return found;
    if (absl::IsCancelled(status)) return status;
  }
  LogWarning("cached outputs are not usable; computing them again",
             {{"run", context_.run_id},
              {"stage", context_.stage.name},
              {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  const absl::Status forgotten = context_.environment.store->ForgetCached(cache_key);
  if (!forgotten.ok())
    LogWarning("cache entry cannot be removed",
               {{"error", forgotten.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  return std::nullopt;
}

}  // namespace trainyard::orchestrator
