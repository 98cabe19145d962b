#include "libs/networks/classification/classification_head.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/networks/classification/classification_builder.h"
#include "libs/networks/deepstream_files.h"
#include "libs/networks/plain_onnx.h"
#include "libs/tasks/classification/classifier_head.h"
#include "trainyard/model/classification/v1/head.pb.h"

namespace trainyard::networks {
namespace {

using model::classification::v1::ClassificationHead;

absl::StatusOr<ClassificationHead> HeadOf(const ModelRecord& record) {
  ClassificationHead head;
  if (!record.has_network_head() || !record.network_head().UnpackTo(&head) ||
      head.logits_output().empty()) {
    return absl::InvalidArgumentError("the model's record holds no classification head");
  }
  if (record.classes_size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the model's record has ", record.classes_size(), " classes; a classifier has at least 2"));
  }
  return head;
}

// What of the preprocessing nvinfer has no key for.
std::string PreprocessNotes(const model::v1::Preprocess& preprocess) {
  std::string notes;
  if (!preprocess.std().empty()) {
    absl::StrAppend(&notes, "\n# Each channel is divided by a deviation of its own (",
                    absl::StrJoin(preprocess.std(), ", "),
                    "); net-scale-factor has one for all, their mean.");
  }
  if (preprocess.resize() == model::v1::Preprocess::CENTER_CROP) {
    absl::StrAppend(&notes, "\n# The middle of each picture is seen: the shorter side scaled to the "
                            "input's and ", preprocess.crop_margin(),
                    " pixels; nvinfer stretches\n# the whole object.");
  }
  return notes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<tasks::Head>> CreateClassificationHead(const ModelRecord& record) {
  TY_ASSIGN_OR_RETURN(const ClassificationHead head, HeadOf(record));
  return tasks::MakeClassifierHead(head.logits_output(), record.classes_size(),
                                   /*output_is_probabilities=*/false);
}

absl::StatusOr<graph::Graph> LowerClassificationHead(const Model& model) {
  TY_ASSIGN_OR_RETURN(const ClassificationHead head, HeadOf(model.record));
  if (model.graph.Producer(head.logits_output()) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the record names the output '%s', which the graph does not make",
                        head.logits_output()));
  }
  graph::Graph graph = model.graph.Clone();
  SetAxis(AppendNode(graph, "Softmax", kClassifierProbabilities, {head.logits_output()},
                     {kClassifierProbabilities}),
          1);
  graph.mutable_proto().mutable_graph()->clear_output();
  DeclareOutput(graph, kClassifierProbabilities, {model.record.classes_size()});
  DescribeModel(model.record, graph);
  graph.Reindex();
  TY_RETURN_IF_ERROR(graph.Check());
  return graph;
}

std::string ClassificationLabels(const ModelRecord& record) {
  return absl::StrCat(absl::StrJoin(record.classes(), ";"), "\n");
}

std::map<std::string, std::string> ClassificationDeepStreamFiles(const ModelRecord& record,
                                                                 const std::string& folder,
                                                                 const std::string& onnx) {
  return DeepStreamFilesOf(record,
                           {.network_type = 1,
                            .classes = record.classes_size(),
                            .labels = ClassificationLabels(record),
                            .more = "classifier-threshold=0.2\n",
                            .note = absl::StrCat(". Its output is predictions/Softmax [N, classes].",
                                                 PreprocessNotes(record.preprocess()), "\n")},
                           folder, onnx);
}

}  // namespace trainyard::networks
