#include "libs/networks/ssd/ssd_family.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/networks/common_facts.h"
#include "libs/networks/ssd/anchors.h"
#include "libs/networks/ssd/deepstream.h"
#include "libs/networks/ssd/lower_head.h"
#include "libs/networks/ssd/spec_differences.h"
#include "libs/networks/ssd/ssd_decoder.h"
#include "libs/networks/ssd/ssd_fit.h"
#include "libs/networks/ssd/ssd_network.h"
#include "libs/networks/ssd/ssd_spec.h"
#include "libs/tasks/detection/detection_task.h"

namespace trainyard::networks {
namespace embedded {
extern const char kSsdExample[];
}  // namespace embedded

namespace {

using spec::ssd::v1::Experiment;

absl::StatusOr<SpecMessage> MessageOf(absl::StatusOr<Experiment> experiment) {
  if (!experiment.ok()) return experiment.status();
  return std::make_unique<Experiment>(*std::move(experiment));
}

class Family final : public NetworkFamily {
 public:
  absl::string_view name() const override { return "ssd"; }
  const tasks::Task& task() const override { return tasks::DetectionTask(); }
  absl::string_view title() const override { return "the SSD detector"; }
  bool HasStage(absl::string_view) const override { return true; }
  absl::Span<const spec::NetworkMarker> markers() const override { return SsdMarkers(); }

  absl::StatusOr<SpecMessage> Parse(absl::string_view text, absl::string_view file_name,
                                    absl::Span<const std::string> overrides,
                                    std::vector<std::string>* warnings) const override {
    return MessageOf(ParseExperiment(text, file_name, overrides, warnings));
  }
  absl::StatusOr<SpecMessage> Load(absl::string_view text, absl::string_view file_name,
                                   absl::Span<const std::string> overrides, spec::SpecUse use,
                                   std::vector<std::string>* warnings) const override {
    return MessageOf(LoadExperiment(text, file_name, overrides, use, warnings));
  }
  SpecFacts Facts(const google::protobuf::Message& spec, spec::SpecUse use) const override {
    const auto& experiment = dynamic_cast<const Experiment&>(spec);
    SpecFacts facts =
        CommonFacts(experiment.training_config(), experiment.dataset_config(), use);
    facts.freezes_blocks = experiment.ssd_config().freeze_blocks_size() > 0;
    return facts;
  }
  absl::StatusOr<std::unique_ptr<Network>> Create(SpecMessage spec) const override {
    return SsdNetwork::Create(std::move(dynamic_cast<Experiment&>(*spec)));
  }

  SpecFields fields() const override { return kSsdSpecFields; }
  SpecMessage NewSpec() const override { return std::make_unique<Experiment>(); }
  absl::Span<const spec::CoverageRule> coverage() const override { return SsdCoverage(); }
  void SetDefaults(google::protobuf::Message& spec) const override {
    ApplyDefaults(&dynamic_cast<Experiment&>(spec));
  }
  absl::string_view example() const override { return embedded::kSsdExample; }
  absl::StatusOr<FitPlan> Fit(const worker::v1::DataProfile& profile,
                              const FitLimits& limits) const override {
    return FitSsd(profile, limits);
  }

  TrainingFiles Files(const ModelRecord& record) const override {
    return {.checkpoint_prefix = absl::StrCat("ssd_", record.arch()),
            .log = absl::StrCat("ssd_training_log_", record.arch(), ".csv")};
  }

  absl::StatusOr<std::unique_ptr<tasks::Head>> CreateHead(
      const ModelRecord& record) const override {
    return SsdDecoder::Create(record);
  }
  absl::StatusOr<graph::Graph> LowerHead(const Model& model) const override {
    return LowerSsdHead(model);
  }
  std::string Labels(const ModelRecord& record) const override { return SsdLabels(record); }
  std::map<std::string, std::string> DeepStreamFiles(const ModelRecord& record,
                                                     const std::string& folder,
                                                     const std::string& onnx) const override {
    return SsdDeepStreamFiles(record, folder, onnx);
  }
  absl::Status CheckDeepStreamFolder(const std::string& folder) const override {
    return CheckSsdDeepStreamFolder(folder);
  }
  absl::Status CheckOutputName(absl::string_view name) const override {
    if (name == "NMS") return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("has '", name, "'; the detector's output is NMS"));
  }

  std::vector<std::string> OverriddenFields(const ModelRecord& spec, const ModelRecord& model,
                                            bool trains) const override {
    return SsdOverriddenFields(spec, model, trains);
  }
  void CheckHeadFits(const ModelRecord& from, const ModelRecord& to,
                     Problems& problems) const override {
    if (!from.arch().empty() && from.arch() != to.arch()) {
      problems.Add(kSsdSpecFields.arch, "is %s in the spec and %s in the pruned model", to.arch(),
                   from.arch());
    }
    if (from.ssd().maps_size() != to.ssd().maps_size()) {
      problems.Add("prediction maps", "are %d in the spec and %d in the pruned model",
                   to.ssd().maps_size(), from.ssd().maps_size());
    }
    for (int i = 0; i < std::min(from.ssd().maps_size(), to.ssd().maps_size()); ++i) {
      const int64_t ours = BoxesPerCell(to.ssd(), to.ssd().maps(i));
      const int64_t theirs = BoxesPerCell(from.ssd(), from.ssd().maps(i));
      if (ours == theirs) continue;
      problems.Add(absl::StrFormat("boxes of a cell of prediction map %d", i),
                   "are %d in the spec and %d in the pruned model", ours, theirs);
    }
  }
  std::vector<ClassRows> HeadRows(const ModelRecord& record) const override {
    std::vector<ClassRows> layers;
    for (int i = 0; i < record.ssd().maps_size(); ++i) {
      layers.push_back({.layer = absl::StrCat("ssd_conf_", i),
                        .groups = BoxesPerCell(record.ssd(), record.ssd().maps(i)),
                        .has_background = true});
    }
    return layers;
  }
  absl::StatusOr<std::vector<data::Box>> PriorBoxes(const ModelRecord& record) const override {
    return AnchorBoxes(record.ssd(), record.preprocess().width(), record.preprocess().height());
  }
  void TakeHead(const ModelRecord& model, ModelRecord& record) const override {
    if (!model.has_ssd()) return;
    const model::v1::SsdHead settings = record.ssd();
    model::v1::SsdHead& head = *record.mutable_ssd();
    head = model.ssd();
    head.set_confidence_threshold(settings.confidence_threshold());
    head.set_nms_iou_threshold(settings.nms_iou_threshold());
    head.set_top_k(settings.top_k());
    head.set_score_bits(settings.score_bits());
  }
};

}  // namespace

const NetworkFamily& SsdFamily() {
  static const Family kFamily;
  return kFamily;
}

}  // namespace trainyard::networks
