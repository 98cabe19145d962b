#include "services/orchestrator/spec_reader.h"

#include "libs/base/status.h"
#include "libs/networks/prepare_spec.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "libs/spec/paths.h"

namespace trainyard::orchestrator {
namespace {

template <typename Spec>
absl::StatusOr<std::string> Canonical(absl::StatusOr<Spec> spec, const PathRule& rule) {
  if (!spec.ok()) return spec.status();
  TY_RETURN_IF_ERROR(spec::RewritePaths(&*spec, rule));
  return spec::PrintCanonical(*spec);
}

}  // namespace

absl::StatusOr<std::string> ReadSpec(const SpecQuestion& question, const PathRule& rule) {
  if (question.kind->spec == spec::SpecKind::kConversion) {
    return Canonical(
        spec::LoadDatasetExport(question.text, question.name, question.overrides, question.has_root,
                                nullptr, networks::NetworkMarkers()),
        rule);
  }
  if (question.kind->spec == spec::SpecKind::kAugment) {
    return Canonical(spec::LoadAugment(question.text, question.name, question.overrides, nullptr,
                                       networks::NetworkMarkers()),
                     rule);
  }
  TY_ASSIGN_OR_RETURN(networks::PreparedSpec spec,
                      networks::PrepareSpec(question.network, question.text, question.name,
                                            question.overrides, question.kind->use, rule));
  return std::move(spec.canonical_text);
}

}  // namespace trainyard::orchestrator
