#include "services/convert-engine/convert_engine_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "libs/models/network.h"
#include "libs/service/unary.h"
#include "services/convert-engine/prepare.h"
#include "trainyard/v1/convert_engine.grpc.pb.h"

namespace trainyard {
namespace {

using google::longrunning::Operation;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class ConvertEngineService final : public v1::ConvertEngineService::CallbackService {
 public:
  explicit ConvertEngineService(service::Chassis& chassis) : chassis_(chassis) {}

  ServerUnaryReactor* Build(CallbackServerContext* context, const v1::BuildRequest* request,
                            Operation* response) override {
    return Start(context, "build", request, response);
  }
  ServerUnaryReactor* EvaluateEngine(CallbackServerContext* context,
                                     const v1::EvaluateEngineRequest* request,
                                     Operation* response) override {
    return Start(context, "evaluate_engine", request, response);
  }
  ServerUnaryReactor* InferEngine(CallbackServerContext* context,
                                  const v1::InferEngineRequest* request,
                                  Operation* response) override {
    return Start(context, "infer_engine", request, response);
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
  chassis.operations.AddStage(service::StageOf<v1::BuildRequest>(
      "build", [&workspace](const auto& request) { return PrepareBuild(request, workspace); }));
  chassis.operations.AddStage(service::StageOf<v1::EvaluateEngineRequest>(
      "evaluate_engine",
      [&workspace](const auto& request) { return PrepareEvaluateEngine(request, workspace); }));
  chassis.operations.AddStage(service::StageOf<v1::InferEngineRequest>(
      "infer_engine",
      [&workspace](const auto& request) { return PrepareInferEngine(request, workspace); }));
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<ConvertEngineService>(chassis));
  return services;
}

v1::GetCapabilitiesResponse Capabilities() {
  v1::GetCapabilitiesResponse capabilities;
  for (const std::string& name : NetworkNames()) capabilities.add_networks(name);
  for (const char* stage : {"build", "evaluate_engine", "infer_engine"}) {
    capabilities.add_stages(stage);
  }
  for (const char* format : {"etlt", "engine"}) capabilities.add_formats(format);
  capabilities.add_unimplemented("TensorRT engines");
  capabilities.add_unimplemented("FP16 and BF16 engines");
  return capabilities;
}

}  // namespace

service::ServiceProgram ConvertEngineServiceProgram() {
  return {.service = "convert-engine",
          .description = "Compiles exports into engines for this hardware, and runs engines.",
          .default_port = 7005,
          .capabilities = Capabilities(),
          .factory = MakeServices};
}

}  // namespace trainyard
