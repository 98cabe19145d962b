#include "services/train/train_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "libs/models/network.h"
#include "libs/service/unary.h"
#include "services/train/prepare.h"
#include "trainyard/v1/train.grpc.pb.h"

namespace trainyard {
namespace {

using google::longrunning::Operation;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class TrainService final : public v1::TrainService::CallbackService {
 public:
  explicit TrainService(service::Chassis& chassis) : chassis_(chassis) {}

  ServerUnaryReactor* Train(CallbackServerContext* context, const v1::TrainRequest* request,
                            Operation* response) override {
    return Start(context, "train", request, response);
  }
  ServerUnaryReactor* Evaluate(CallbackServerContext* context, const v1::EvaluateRequest* request,
                               Operation* response) override {
    return Start(context, "evaluate", request, response);
  }
  ServerUnaryReactor* Infer(CallbackServerContext* context, const v1::InferRequest* request,
                            Operation* response) override {
    return Start(context, "infer", request, response);
  }

 private:
  template <typename Request>
  ServerUnaryReactor* Start(CallbackServerContext* context, const char* stage,
                            const Request* request, Operation* response) {
    return service::Unary(chassis_.pool, context, stage, response, [this, stage, request] {
      return chassis_.operations.Start(stage, *request);
    });
  }
  service::Chassis& chassis_;
};

absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>> MakeServices(
    service::Chassis& chassis) {
  const service::Workspace& workspace = chassis.workspace;
  chassis.operations.AddStage(service::StageOf<v1::TrainRequest>(
      "train", [&workspace](const auto& request) { return PrepareTrain(request, workspace); }));
  service::Stage evaluate = service::StageOf<v1::EvaluateRequest>(
      "evaluate",
      [&workspace](const auto& request) { return PrepareEvaluate(request, workspace); });
  service::Stage infer = service::StageOf<v1::InferRequest>(
      "infer", [&workspace](const auto& request) { return PrepareInfer(request, workspace); });
  // Judging does not wait for a training to end (decisions.md B6).
  evaluate.lane = infer.lane = "evaluate";
  chassis.operations.AddStage(std::move(evaluate));
  chassis.operations.AddStage(std::move(infer));
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<TrainService>(chassis));
  return services;
}

v1::GetCapabilitiesResponse Capabilities() {
  v1::GetCapabilitiesResponse capabilities;
  for (const std::string& name : NetworkNames()) capabilities.add_networks(name);
  for (const char* stage : {"train", "evaluate", "infer"}) capabilities.add_stages(stage);
  for (const char* format : {"kitti", "tfrecords", "tlt", "etlt"}) capabilities.add_formats(format);
  capabilities.add_unimplemented("training on several GPUs");
  capabilities.add_unimplemented("quantization-aware training (enable_qat)");
  return capabilities;
}

}  // namespace

service::ServiceProgram TrainServiceProgram() {
  return {.service = "train",
          .description = "Trains networks and judges checkpoints.",
          .default_port = 7002,
          .capabilities = Capabilities(),
          .factory = MakeServices};
}

}  // namespace trainyard
