#include "libs/networks/prepare_spec.h"

#include "libs/base/status.h"
#include "libs/networks/registry.h"
#include "libs/spec/paths.h"
#include "libs/spec/text_format.h"

namespace trainyard::networks {

absl::Span<const spec::NetworkMarker> NetworkMarkers() {
  static const auto& all = *new std::vector<spec::NetworkMarker>([] {
    std::vector<spec::NetworkMarker> markers;
    for (const std::string& name : NetworkNames()) {
      const auto own = (*FindNetwork(name))->markers();
      markers.insert(markers.end(), own.begin(), own.end());
    }
    return markers;
  }());
  return all;
}

absl::StatusOr<PreparedSpec> PrepareSpec(
    absl::string_view network, absl::string_view text, absl::string_view file_name,
    absl::Span<const std::string> overrides, spec::SpecUse use,
    const std::function<absl::StatusOr<std::string>(absl::string_view)>& resolve) {
  TY_ASSIGN_OR_RETURN(const NetworkFamily* family, FindNetwork(network));
  PreparedSpec prepared;
  TY_ASSIGN_OR_RETURN(const SpecMessage spec,
                      family->Load(text, file_name, overrides, use, &prepared.warnings));
  TY_RETURN_IF_ERROR(spec::RewritePaths(spec.get(), resolve));
  static_cast<SpecFacts&>(prepared) = family->Facts(*spec, use);
  prepared.canonical_text = spec::PrintCanonical(*spec);
  return prepared;
}

}  // namespace trainyard::networks
