#include "services/convert-engine/convert_engine_service.h"

#include "services/convert-engine/prepare.h"
#include "services/stage_request/stage_program.h"
#include "trainyard/v1/convert_engine.grpc.pb.h"

namespace trainyard::services {
namespace {

using google::longrunning::Operation;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class ConvertEngineService final : public StageHandlers<v1::ConvertEngineService> {
 public:
  using StageHandlers::StageHandlers;

  ServerUnaryReactor* Build(CallbackServerContext* context, const v1::BuildRequest* request,
                            Operation* response) override {
    return Start(context, request, response);
  }
  ServerUnaryReactor* EvaluateEngine(CallbackServerContext* context,
                                     const v1::EvaluateEngineRequest* request,
                                     Operation* response) override {
    return Start(context, request, response);
  }
  ServerUnaryReactor* InferEngine(CallbackServerContext* context,
                                  const v1::InferEngineRequest* request,
                                  Operation* response) override {
    return Start(context, request, response);
  }
};

}  // namespace

service::ServiceProgram ConvertEngineServiceProgram() {
  return StageProgram<ConvertEngineService>({
      .service = "convert-engine",
      .description = "Compiles exports into engines for this hardware, and runs engines.",
      .default_port = 7005,
      .stages = {RowOf(PrepareBuild), RowOf(PrepareEvaluateEngine), RowOf(PrepareInferEngine)},
      .worker = "trainyard-engine-worker",
      .formats = {"etlt", "engine"},
      .unimplemented = {"TensorRT engines", "FP16 and BF16 engines"},
  });
}

}  // namespace trainyard::services
