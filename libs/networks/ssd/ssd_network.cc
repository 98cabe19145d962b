#include "libs/networks/ssd/ssd_network.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/networks/ssd/anchors.h"
#include "libs/networks/ssd/ssd_builder.h"
#include "libs/networks/training_flags.h"
#include "libs/spec/common/image_mean.h"
#include "libs/tasks/detection/decoder.h"
#include "libs/tasks/detection/detection_evaluator.h"

namespace trainyard::networks {
namespace {

using spec::ssd::v1::Experiment;

constexpr uint64_t kDefaultSeed = 42;

double OrDefault(float value, double fallback) { return value == 0 ? fallback : value; }

data::AugmentationOptions AugmentationOf(const spec::ssd::v1::AugmentationConfig& config) {
  data::AugmentationOptions options;
  const auto set = [](double& target, bool given, double value) {
    if (given) target = value;
  };
  set(options.crop_min_scale, config.has_random_crop_min_scale(), config.random_crop_min_scale());
  set(options.crop_max_scale, config.has_random_crop_max_scale(), config.random_crop_max_scale());
  set(options.crop_min_ar, config.has_random_crop_min_ar(), config.random_crop_min_ar());
  set(options.crop_max_ar, config.has_random_crop_max_ar(), config.random_crop_max_ar());
  set(options.zoom_out_min_scale, config.has_zoom_out_min_scale(), config.zoom_out_min_scale());
  set(options.zoom_out_max_scale, config.has_zoom_out_max_scale(), config.zoom_out_max_scale());
  set(options.brightness, config.has_brightness(), config.brightness());
  set(options.contrast, config.has_contrast(), config.contrast());
  set(options.saturation, config.has_saturation(), config.saturation());
  set(options.hue, config.has_hue(), config.hue());
  set(options.random_flip, config.has_random_flip(), config.random_flip());
  return options;
}

absl::StatusOr<model::v1::Preprocess> PreprocessOf(
    const spec::ssd::v1::AugmentationConfig& config) {
  Problems problems;
  model::v1::Preprocess preprocess;
  preprocess.set_width(config.output_width());
  preprocess.set_height(config.output_height());
  const bool grey = config.output_channel() == 1;
  preprocess.set_order(grey ? model::v1::Preprocess::GRAY : model::v1::Preprocess::BGR);
  for (const std::string& key : spec::internal::ImageMeanKeys(config.output_channel())) {
    const auto it = config.image_mean().find(key);
    if (it == config.image_mean().end()) {
      problems.Add("augmentation_config.image_mean", "has no key '%s'", key);
      continue;
    }
    preprocess.add_mean(it->second);
  }
  preprocess.set_scale(1);
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return preprocess;
}

absl::StatusOr<SsdBackbone> BackboneOf(const spec::ssd::v1::SSDConfig& config) {
  if (config.pred_num_channels() != 0) {
    return absl::UnimplementedError(absl::StrFormat(
        "ssd_config.pred_num_channels is %d: the prediction module is not offered yet; expected 0",
        config.pred_num_channels()));
  }
  auto backbone = FindSsdBackbone(config.arch(), static_cast<int>(config.nlayers()));
  if (!backbone.ok()) return Annotate(backbone.status(), "ssd_config");
  return backbone;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SsdNetwork>> SsdNetwork::Create(Experiment experiment) {
  if (!experiment.has_ssd_config()) {
    return experiment.has_dssd_config()
               ? absl::UnimplementedError(
                     "dssd_config: DSSD is not offered yet; offered: ssd_config")
               : absl::InvalidArgumentError("ssd_config is missing; an SSD spec needs it");
  }
  TY_ASSIGN_OR_RETURN(SsdLists lists, ListsOf(experiment.ssd_config()));
  return std::unique_ptr<SsdNetwork>(new SsdNetwork(std::move(experiment), std::move(lists)));
}

SsdNetwork::SsdNetwork(Experiment experiment, SsdLists lists)
    : experiment_(std::move(experiment)), lists_(std::move(lists)) {}

std::vector<std::string> SsdNetwork::classes() const {
  return tasks::ClassesOf(experiment_.dataset_config());
}

model::v1::SsdHead SsdNetwork::MakeHead(const SsdBackbone& backbone) const {
  const auto& config = experiment_.ssd_config();
  const auto& input = experiment_.augmentation_config();
  const auto sizes = SsdMapSizes(backbone, input.output_height(), input.output_width());
  model::v1::SsdHead head;
  for (int i = 0; i < kSsdMaps; ++i) {
    model::v1::SsdHead::Map& map = *head.add_maps();
    map.set_height(static_cast<int32_t>(sizes[i].height));
    map.set_width(static_cast<int32_t>(sizes[i].width));
    for (const double ratio : lists_.aspect_ratios[i]) map.add_aspect_ratios(ratio);
    map.set_scale(lists_.scales[i]);
    map.set_next_scale(lists_.scales[i + 1]);
    const SsdLists::YX even{static_cast<double>(input.output_height()) / map.height(),
                            static_cast<double>(input.output_width()) / map.width()};
    const SsdLists::YX step = lists_.steps.has_value() ? (*lists_.steps)[i] : even;
    const SsdLists::YX offset =
        lists_.offsets.has_value() ? (*lists_.offsets)[i] : SsdLists::YX{0.5, 0.5};
    map.set_step_y(step.y);
    map.set_step_x(step.x);
    map.set_offset_y(offset.y);
    map.set_offset_x(offset.x);
  }
  head.set_two_boxes_for_ar1(config.two_boxes_for_ar1());
  head.set_clip_boxes(config.clip_boxes());
  for (const double variance : lists_.variances) head.add_variances(variance);
  head.set_confidence_output(kSsdConfidence);
  head.set_location_output(kSsdLocation);
  return head;
}

absl::StatusOr<ModelRecord> SsdNetwork::Record() const {
  const auto& config = experiment_.ssd_config();
  TY_ASSIGN_OR_RETURN(const SsdBackbone backbone, BackboneOf(config));
  ModelRecord record;
  record.set_network("ssd");
  record.set_arch(layers::BackboneName(backbone.options));
  for (const std::string& name : classes()) record.add_classes(name);
  if (record.classes().empty()) {
    return absl::InvalidArgumentError(
        "dataset_config.target_class_mapping is empty; a network needs at least one class");
  }
  TY_ASSIGN_OR_RETURN(*record.mutable_preprocess(),
                      PreprocessOf(experiment_.augmentation_config()));
  *record.mutable_ssd() = MakeHead(backbone);
  ApplyInferenceSettings(record);
  return record;
}

absl::StatusOr<Model> SsdNetwork::Build() const {
  const auto& config = experiment_.ssd_config();
  const auto& input = experiment_.augmentation_config();
  TY_ASSIGN_OR_RETURN(ModelRecord record, Record());
  SsdArchitecture architecture{.arch = config.arch(),
                               .depth = static_cast<int>(config.nlayers()),
                               .width = input.output_width(),
                               .height = input.output_height(),
                               .channels = input.output_channel(),
                               .classes = record.classes_size()};
  for (int i = 0; i < kSsdMaps; ++i) {
    architecture.boxes_per_cell[i] = BoxesPerCell(record.ssd(), record.ssd().maps(i));
  }
  TY_ASSIGN_OR_RETURN(SsdGraph built, BuildSsd(architecture, training_plan().seed));
  AddTrainingFlags(built.graph,
                   {.regularized_ops = {"Conv"},
                    .regularizes_depthwise = false,
                    .frozen_convolutions = ConvolutionsOf(built.blocks, config.freeze_blocks()),
                    .freezes_batch_norm = config.freeze_bn()},
                   *record.mutable_training());
  return Model{std::move(built.graph), std::move(record)};
}

TrainingPlan SsdNetwork::training_plan() const {
  TrainingPlan plan;
  plan.seed = experiment_.has_random_seed() ? experiment_.random_seed() : kDefaultSeed;
  if (experiment_.has_training_config()) FillTraining(experiment_.training_config(), plan);
  if (experiment_.eval_config().validation_period_during_training() > 0) {
    plan.validation_period =
        static_cast<int>(experiment_.eval_config().validation_period_during_training());
  }
  return plan;
}

tasks::EvaluationPlan SsdNetwork::evaluation_plan() const {
  const auto& config = experiment_.eval_config();
  tasks::EvaluationPlan plan;
  const bool integrate = config.average_precision_mode() == spec::ssd::v1::EvalConfig::INTEGRATE;
  plan.ap_mode = integrate ? tasks::ApMode::kIntegrate : tasks::ApMode::kSample;
  plan.iou_threshold = OrDefault(config.matching_iou_threshold(), 0.5);
  plan.pr_curve = config.visualize_pr_curve();
  return plan;
}

int SsdNetwork::evaluation_batch_size() const {
  return std::max(1, static_cast<int>(experiment_.eval_config().batch_size()));
}

absl::StatusOr<std::unique_ptr<tasks::Evaluator>> SsdNetwork::MakeEvaluator(
    const tasks::Head& head, const ModelRecord& record,
    const tasks::EvaluationChoices& choices) const {
  TY_ASSIGN_OR_RETURN(const tasks::Decoder* decoder, tasks::DecoderOf(head));
  tasks::EvaluationPlan plan = evaluation_plan();
  TY_ASSIGN_OR_RETURN(plan.matching, tasks::MatchingFromName(choices.matching));
  return tasks::MakeDetectionEvaluator(*decoder, record, plan, choices.explanation);
}

void SsdNetwork::ApplyInferenceSettings(ModelRecord& record) const {
  if (!experiment_.has_nms_config() || !record.has_ssd()) return;
  const auto& nms = experiment_.nms_config();
  model::v1::SsdHead& head = *record.mutable_ssd();
  head.set_confidence_threshold(nms.confidence_threshold());
  head.set_nms_iou_threshold(nms.clustering_iou_threshold());
  head.set_top_k(static_cast<int32_t>(nms.top_k()));
  head.set_score_bits(static_cast<int32_t>(nms.infer_nms_score_bits()));
}

MatchThresholds SsdNetwork::match_thresholds() const {
  const auto& config = experiment_.ssd_config();
  const double positive = OrDefault(config.pos_iou_thresh(), 0.5);
  // From the positive threshold on every anchor is matched, so a higher neutral one means nothing.
  return {.positive_iou = positive,
          .negative_iou = std::min(positive, OrDefault(config.neg_iou_thresh(), 0.5))};
}

tasks::BoxDataPlan SsdNetwork::data_plan() const {
  return tasks::PlanOf(experiment_.dataset_config());
}

data::AugmentationOptions SsdNetwork::augmentation() const {
  return AugmentationOf(experiment_.augmentation_config());
}

absl::StatusOr<std::optional<data::OpenedData>> SsdNetwork::OpenData(data::DataUse use,
                                                                     const ModelRecord& record,
                                                                     bool strict,
                                                                     int threads) const {
  // A spec of ours has the same data for both.
  const data::DataUse same = use == data::DataUse::kEvaluation ? data::DataUse::kValidation : use;
  return tasks::OpenBoxData(data_plan(),
                            {.use = same,
                             .classes = ClassesOf(record),
                             .input = {record.preprocess().width(), record.preprocess().height()},
                             .strict = strict,
                             .threads = threads});
}

absl::StatusOr<std::shared_ptr<const data::PreparedSource>> SsdNetwork::Prepare(
    std::shared_ptr<const data::SampleSource> source, const ModelRecord& record,
    data::DataUse use) const {
  data::BoxPreparation preparation{.preprocess = record.preprocess()};
  if (use == data::DataUse::kTraining) preparation.augmentation = augmentation();
  TY_ASSIGN_OR_RETURN(preparation.encode, MakeTargetEncoder(record));
  return data::PrepareBoxes(std::move(source), std::move(preparation));
}

absl::StatusOr<data::BoxTargetEncoder> SsdNetwork::MakeTargetEncoder(
    const ModelRecord& record) const {
  TY_ASSIGN_OR_RETURN(SsdTargetEncoder encoder,
                      SsdTargetEncoder::Create(record.ssd(), record.preprocess().width(),
                                               record.preprocess().height(), match_thresholds()));
  const auto shared = std::make_shared<const SsdTargetEncoder>(std::move(encoder));
  return [shared](absl::Span<const data::LabelledBox> boxes) { return shared->Encode(boxes); };
}

SsdLossOptions SsdNetwork::loss_options() const {
  const auto& config = experiment_.ssd_config();
  return {.alpha = OrDefault(config.alpha(), 1),
          .neg_pos_ratio = OrDefault(config.neg_pos_ratio(), 3)};
}

}  // namespace trainyard::networks
