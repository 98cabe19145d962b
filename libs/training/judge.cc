#include "libs/training/judge.h"

#include <unistd.h>

#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/graph/fold.h"
#include "libs/graph/weights.h"
#include "libs/judging/judge.h"
#include "libs/networks/registry.h"
#include "libs/sealing/model_store.h"
#include "libs/training/artifacts.h"
#include "libs/training/device.h"
#include "libs/training/executor.h"

namespace trainyard::training {
namespace {

using worker::Context;
using worker::Finished;

struct Loaded {
  std::unique_ptr<networks::Network> network;
  Model model;
  std::unique_ptr<tasks::Head> head;
  std::unique_ptr<Executor> executor;
};

// As an engine or an export would be held to: what is not finite finds nothing, which would be told as
// an accuracy of 0.
absl::Status CheckIsSound(const graph::Graph& graph) {
  graph::Graph folded = graph.Clone();
  TY_RETURN_IF_ERROR(graph::FoldBatchNorm(folded));
  return graph::CheckWeights(folded);
}

absl::StatusOr<Loaded> Load(Context& context, const std::string& path, const std::string& device,
                            int device_index) {
  ConfigureLibTorch(context.job.threads(), /*deterministic=*/false);
  TY_ASSIGN_OR_RETURN(auto network,
                      networks::CreateNetwork(context.job.network(), context.job.spec(), "spec"));
  TY_ASSIGN_OR_RETURN(
      sealing::SealedModel sealed,
      sealing::LoadModel(path, {sealing::SealedKind::kCheckpoint, sealing::SealedKind::kExport},
                         context.key));
  Loaded loaded{.network = std::move(network), .model = std::move(sealed.model)};
  TY_RETURN_IF_ERROR(Annotate(networks::CheckBelongs(*loaded.network, loaded.model.record),
                              absl::StrCat("model '", path, "'")));
  TY_RETURN_IF_ERROR(
      Annotate(CheckIsSound(loaded.model.graph), absl::StrCat("model '", path, "'")));
  loaded.network->ApplyInferenceSettings(loaded.model.record);
  TY_ASSIGN_OR_RETURN(loaded.head, networks::CreateHead(loaded.model.record));
  TY_ASSIGN_OR_RETURN(const at::Device where, ResolveDevice(device, device_index));
  TY_ASSIGN_OR_RETURN(loaded.executor, Executor::Create(loaded.model.graph,
                                                        {.device = where, .stop = context.stop}));

  worker::WorkerEvent event;
  event.mutable_started()->set_pid(getpid());
  event.mutable_started()->set_device(DescribeDevice(where, context.job.threads()));
  TY_RETURN_IF_ERROR(context.journal.Append(std::move(event)));
  return loaded;
}

judging::RunningModel RunningOf(const Loaded& loaded) {
  return {.runner = *loaded.executor,
          .record = loaded.model.record,
          .head = *loaded.head,
          .max_batch_size = std::numeric_limits<int>::max(),
          .shares_cores = loaded.executor->device().is_cpu()};
}

absl::StatusOr<Finished> EvaluateAll(Context& context) {
  const worker::v1::EvaluateTask& task = context.job.evaluate();
  TY_ASSIGN_OR_RETURN(const Loaded loaded,
                      Load(context, task.model(), task.device(), task.device_index()));
  Finished finished;
  TY_RETURN_IF_ERROR(judging::Evaluate(context, *loaded.network, RunningOf(loaded), finished));
  TY_RETURN_IF_ERROR(AddSizeMetrics(loaded.model.graph, finished));
  return finished;
}

}  // namespace

absl::StatusOr<Finished> EvaluateModel(Context& context) {
  absl::StatusOr<Finished> finished = EvaluateAll(context);
  if (!finished.ok()) NoteFailure(context.job.evaluate().results_dir(), finished.status());
  return finished;
}

absl::StatusOr<Finished> InferImages(Context& context) {
  const worker::v1::InferTask& task = context.job.infer();
  TY_ASSIGN_OR_RETURN(const Loaded loaded,
                      Load(context, task.model(), task.device(), task.device_index()));
  const int batch_size = loaded.network->evaluation_batch_size();
  Finished finished;
  TY_RETURN_IF_ERROR(judging::Infer(context, batch_size, RunningOf(loaded), finished));
  TY_RETURN_IF_ERROR(AddSizeMetrics(loaded.model.graph, finished));
  return finished;
}

}  // namespace trainyard::training
