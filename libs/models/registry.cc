#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/detection/ssd_decoder.h"
#include "libs/models/network.h"
#include "libs/models/ssd/ssd_network.h"
#include "libs/spec/ssd_spec.h"

namespace trainyard {

std::vector<std::string> NetworkNames() { return {"ssd"}; }

absl::StatusOr<std::unique_ptr<Network>> CreateNetwork(absl::string_view name,
                                                       absl::string_view spec_text,
                                                       absl::string_view spec_name) {
  if (name != "ssd") {
    const std::vector<std::string> names = NetworkNames();
    return absl::NotFoundError(absl::StrCat("there is no network '", name, "'; known: ",
                                            absl::StrJoin(names, ", "), DidYouMean(name, names)));
  }
  // The stage that asked has checked the spec for its task; here the least demanding one will do.
  TY_ASSIGN_OR_RETURN(spec::ssd::v1::Experiment experiment,
                      LoadExperiment(spec_text, spec_name, {}, SpecUse::kExport, nullptr));
  return SsdNetwork::Create(std::move(experiment));
}

absl::StatusOr<std::unique_ptr<Decoder>> CreateDecoder(const ModelRecord& record) {
  if (record.has_ssd()) return SsdDecoder::Create(record);
  return absl::UnimplementedError(
      absl::StrCat("network '", record.network(), "' has no head that can be decoded; known: ssd"));
}

}  // namespace trainyard
