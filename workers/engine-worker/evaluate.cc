#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "libs/base/status.h"
#include "libs/engine/benchmark.h"
#include "libs/engine/engine.h"
#include "libs/judging/judge.h"
#include "libs/networks/registry.h"
#include "libs/worker/outcome.h"
#include "workers/engine-worker/started.h"
#include "workers/engine-worker/tasks.h"

namespace trainyard::engine_worker {
namespace {

using worker::Context;
using worker::Finished;
using worker::MakeMetric;

/// For the latency that an evaluation reports.
constexpr double kBenchmarkSeconds = 1;

/// An engine with what reads its outputs.
struct OpenedEngine {
  engine::LoadedEngine engine;
  std::unique_ptr<tasks::Head> head;

  judging::RunningModel Running(const Context& context) const {
    engine::EngineRunner& runner = *engine.runner;
    return {.runner = runner,
            .record = engine.record,
            .head = *head,
            .max_batch_size = runner.max_batch_size(),
            .warm_ms_per_image = [&runner, stop = context.stop]() -> absl::StatusOr<double> {
              TY_ASSIGN_OR_RETURN(const engine::BenchmarkResult result,
                                  engine::Benchmark(runner, 1, kBenchmarkSeconds, stop));
              return result.ms_per_image;
            }};
  }
};

/// The spec's NMS settings, when there is a spec, win over those that the engine was built with.
absl::StatusOr<OpenedEngine> OpenEngine(Context& context, const std::string& path,
                                        const networks::Network* network) {
  const int threads = std::max(1, context.job.threads());
  TY_ASSIGN_OR_RETURN(engine::LoadedEngine engine, engine::LoadEngine(path, threads));
  TY_RETURN_IF_ERROR(ReportStarted(context));
  if (network != nullptr) {
    TY_RETURN_IF_ERROR(Annotate(networks::CheckBelongs(*network, engine.record),
                                absl::StrCat("engine '", path, "'")));
    network->ApplyInferenceSettings(engine.record);
  }
  TY_ASSIGN_OR_RETURN(std::unique_ptr<tasks::Head> head, networks::CreateHead(engine.record));
  return OpenedEngine{std::move(engine), std::move(head)};
}

}  // namespace

absl::StatusOr<Finished> EvaluateEngine(Context& context) {
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<networks::Network> network,
                      networks::CreateNetwork(context.job.network(), context.job.spec(), "spec"));
  TY_ASSIGN_OR_RETURN(const OpenedEngine opened,
                      OpenEngine(context, context.job.evaluate().model(), network.get()));
  Finished finished;
  TY_RETURN_IF_ERROR(judging::Evaluate(context, *network, opened.Running(context), finished));
  const engine::EngineHeader& header = opened.engine.header;
  *finished.add_metrics() = MakeMetric("parameters", static_cast<double>(header.parameters()));
  *finished.add_metrics() = MakeMetric("macs", static_cast<double>(header.macs()));
  return finished;
}

absl::StatusOr<Finished> InferWithEngine(Context& context) {
  std::unique_ptr<networks::Network> network;
  if (!context.job.spec().empty()) {
    TY_ASSIGN_OR_RETURN(network,
                        networks::CreateNetwork(context.job.network(), context.job.spec(), "spec"));
  }
  TY_ASSIGN_OR_RETURN(const OpenedEngine opened,
                      OpenEngine(context, context.job.infer().model(), network.get()));
  const int batch_size = network == nullptr ? 1 : network->evaluation_batch_size();
  Finished finished;
  TY_RETURN_IF_ERROR(judging::Infer(context, batch_size, opened.Running(context), finished));
  return finished;
}

}  // namespace trainyard::engine_worker
