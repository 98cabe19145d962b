#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "libs/base/problems.h"
#include "libs/data/box.h"
#include "libs/graph/graph.h"
#include "libs/model/model.h"
#include "libs/networks/class_rows.h"
#include "libs/networks/fit_plan.h"
#include "libs/networks/network.h"
#include "libs/spec/coverage.h"
#include "libs/spec/spec_kind.h"
#include "libs/spec/spec_use.h"
#include "libs/networks/prepare_spec.h"
#include "libs/tasks/task.h"

namespace trainyard::networks {

/// A spec in its network's own message.
using SpecMessage = std::unique_ptr<google::protobuf::Message>;

/// What messages call fields of a network's specs.
struct SpecFields {
  /// Those that decide what every record says.
  const char *arch, *input;
  /// How many epochs are trained, without its message: "num_epochs".
  const char* epochs;
  /// What to do when a training diverges: "lower max_learning_rate or lengthen soft_start".
  const char* calmer;
  /// What says where validation data lie: "neither validation_data_sources nor validation_fold".
  const char* no_validation;
  /// Names of fields that do not change what a step computes; with all that they hold they are no
  /// part of a training's identity (libs/training/start.h).
  absl::Span<const absl::string_view> not_of_the_weights;
};

/// How the files of a training are called in its results folder. TAO's names.
struct TrainingFiles {
  /// Checkpoints are `weights/<prefix>_best.tlt`, `weights/<prefix><infix>007.tlt` of epoch 7.
  std::string checkpoint_prefix, epoch_infix = "_epoch_";
  /// The table of epochs.
  std::string log;
  /// More files and their bytes, written when the training begins.
  std::map<std::string, std::string> more;
};

/// All networks of one name: what the stages ask before there is a network or without a spec, so that
/// adding one touches no service. Made once, for the list in registry.cc; stateless.
class NetworkFamily {
 public:
  virtual ~NetworkFamily() = default;
  /// In requests, records and pipelines.
  virtual absl::string_view name() const = 0;
  /// What its networks predict.
  virtual const tasks::Task& task() const = 0;
  /// In help texts, with its article.
  virtual absl::string_view title() const = 0;
  /// Whether it has stages of this kind (libs/stages): one whose data are read as they are has no
  /// `convert`.
  virtual bool HasStage(absl::string_view kind) const = 0;

  // Of a spec.

  /// By which a text is known as a spec of this network.
  virtual absl::Span<const spec::NetworkMarker> markers() const = 0;
  /// Reads a spec and applies `overrides`; no checks of values, no defaults. Fails with all problems.
  virtual absl::StatusOr<SpecMessage> Parse(absl::string_view text, absl::string_view file_name,
                                            absl::Span<const std::string> overrides,
                                            std::vector<std::string>* warnings) const = 0;
  /// Reads, checks for the use and applies defaults; `warnings` may be null. Fails with all problems at
  /// once: kInvalidArgument; kUnimplemented when only things that are not offered yet remain.
  virtual absl::StatusOr<SpecMessage> Load(absl::string_view text, absl::string_view file_name,
                                           absl::Span<const std::string> overrides,
                                           spec::SpecUse use,
                                           std::vector<std::string>* warnings) const = 0;
  /// What services ask of a message of Load, whose paths are resolved already.
  virtual SpecFacts Facts(const google::protobuf::Message& spec, spec::SpecUse use) const = 0;
  /// The network of a spec that Load made.
  virtual absl::StatusOr<std::unique_ptr<Network>> Create(SpecMessage spec) const = 0;

  /// What messages call the fields of its specs.
  virtual SpecFields fields() const = 0;

  // For what writes specs.

  /// A spec without any field.
  virtual SpecMessage NewSpec() const = 0;
  /// Its fields that are not acted upon.
  virtual absl::Span<const spec::CoverageRule> coverage() const = 0;
  /// Sets what is absent and has a default, in a message of NewSpec.
  virtual void SetDefaults(google::protobuf::Message& spec) const = 0;
  /// The text of a whole spec to begin with: one of examples/, of small data.
  virtual absl::string_view example() const = 0;
  /// What to train on data, and how (`trainyard fit`). kUnimplemented by a network that has no rules
  /// for it; kInvalidArgument for data that it cannot be trained on.
  virtual absl::StatusOr<FitPlan> Fit(const worker::v1::DataProfile& profile,
                                      const FitLimits& limits) const;

  // Of a model alone: engines and exports have no spec.

  virtual TrainingFiles Files(const ModelRecord& record) const = 0;

  /// The head that the record describes, of the task's kind.
  virtual absl::StatusOr<std::unique_ptr<tasks::Head>> CreateHead(
      const ModelRecord& record) const = 0;
  /// The graph with its head as standard nodes, for a plain `.onnx` that any runtime can use.
  virtual absl::StatusOr<graph::Graph> LowerHead(const Model& model) const = 0;

  /// The classes as its outputs count them, a label a line: where background counts, it is one of them.
  virtual std::string Labels(const ModelRecord& record) const = 0;
  /// What DeepStream reads beside a model (TAO `--gen_ds_config`): name -> bytes of the files for
  /// `folder`. `onnx` is the model's plain ONNX file, which they name by its path from there; "" = none.
  virtual std::map<std::string, std::string> DeepStreamFiles(const ModelRecord& record,
                                                             const std::string& folder,
                                                             const std::string& onnx) const = 0;
  /// kAlreadyExists, with all of them, when files of `folder` have the names of those and are none that
  /// DeepStreamFiles made.
  virtual absl::Status CheckDeepStreamFolder(const std::string& folder) const = 0;
  /// kInvalidArgument unless TAO's command lines call an output so (tao-converter's `-o`).
  virtual absl::Status CheckOutputName(absl::string_view name) const = 0;

  // Of a file's own graph where a spec asks for another.

  /// The fields of a spec that have no effect where a model file's own graph and head are used, each
  /// with both values: "augmentation_config.output_width is 300, the model has 512".
  /// `spec` is what Network::Record makes of the spec. With `trains` what is frozen is compared too.
  virtual std::vector<std::string> OverriddenFields(const ModelRecord& spec, const ModelRecord& model,
                                                    bool trains) const = 0;
  /// What a pruned model's graph fixes in backbone and head must be what the spec asks for.
  virtual void CheckHeadFits(const ModelRecord& model, const ModelRecord& spec,
                             Problems& problems) const = 0;
  /// The layers whose output channels stand for the record's classes: with more or other classes their
  /// rows are taken by name.
  virtual std::vector<ClassRows> HeadRows(const ModelRecord& record) const = 0;
  /// The boxes of fixed places and sizes from which its networks find objects, in pixels of the record's
  /// input: by them a data set is judged before it is trained on. None where a network has none.
  /// kInvalidArgument for a head that cannot be.
  virtual absl::StatusOr<std::vector<data::Box>> PriorBoxes(const ModelRecord&) const {
    return std::vector<data::Box>();
  }
  /// Puts the head of `model` into `record`, whose inference settings stay.
  virtual void TakeHead(const ModelRecord& model, ModelRecord& record) const = 0;
};

}  // namespace trainyard::networks
