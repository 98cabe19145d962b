#include "libs/networks/ssd/spec_differences.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/networks/differences.h"

namespace trainyard::networks {
namespace {

using model::v1::SsdHead;

template <typename List>
std::string ListText(const List& values) {
  return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
}

// One text for each prediction map: what `member` says of it.
template <typename Member>
std::string MapsText(const SsdHead& head, const Member& member) {
  std::vector<std::string> texts;
  for (const SsdHead::Map& map : head.maps()) texts.push_back(member(map));
  return ListText(texts);
}

std::string ScalesText(const SsdHead& head) {
  std::vector<double> scales;
  for (const SsdHead::Map& map : head.maps()) scales.push_back(map.scale());
  if (!head.maps().empty()) scales.push_back(head.maps(head.maps_size() - 1).next_scale());
  return ListText(scales);
}

const char* YesNo(bool value) { return value ? "true" : "false"; }

void CompareHeads(const SsdHead& ours, const SsdHead& theirs, Differences& differences) {
  const auto ratios = [](const SsdHead::Map& map) { return ListText(map.aspect_ratios()); };
  differences.Compare("ssd_config.aspect_ratios", MapsText(ours, ratios), MapsText(theirs, ratios));
  differences.Compare("ssd_config.scales", ScalesText(ours), ScalesText(theirs));
  differences.Compare("ssd_config.two_boxes_for_ar1", YesNo(ours.two_boxes_for_ar1()),
                      YesNo(theirs.two_boxes_for_ar1()));
  differences.Compare("ssd_config.clip_boxes", YesNo(ours.clip_boxes()),
                      YesNo(theirs.clip_boxes()));
  differences.Compare("ssd_config.variances", ListText(ours.variances()),
                      ListText(theirs.variances()));
  const auto step = [](const SsdHead::Map& map) {
    return absl::StrFormat("[%g, %g]", map.step_y(), map.step_x());
  };
  const auto offset = [](const SsdHead::Map& map) {
    return absl::StrFormat("[%g, %g]", map.offset_y(), map.offset_x());
  };
  differences.Compare("ssd_config.steps", MapsText(ours, step), MapsText(theirs, step));
  differences.Compare("ssd_config.offsets", MapsText(ours, offset), MapsText(theirs, offset));
}

}  // namespace

std::vector<std::string> SsdOverriddenFields(const ModelRecord& spec, const ModelRecord& model,
                                             bool trains) {
  Differences differences;
  differences.Compare(kSsdSpecFields.arch, spec.arch(), model.arch());
  differences.Compare(kSsdSpecFields.input, InputText(spec.preprocess()),
                      InputText(model.preprocess()));
  differences.Compare("augmentation_config.image_mean", ListText(spec.preprocess().mean()),
                      ListText(model.preprocess().mean()));
  if (spec.has_ssd() && model.has_ssd()) CompareHeads(spec.ssd(), model.ssd(), differences);
  if (trains) {
    // A network may have hundreds of frozen weights.
    differences.CompareQuietly("ssd_config.freeze_blocks", FrozenKernels(spec.training()),
                               FrozenKernels(model.training()));
    differences.CompareQuietly("ssd_config.freeze_bn", FrozenNorms(spec.training()),
                               FrozenNorms(model.training()));
  }
  return std::move(differences).texts();
}

}  // namespace trainyard::networks
