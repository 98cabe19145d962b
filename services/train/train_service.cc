#include "services/train/train_service.h"

#include "services/stage_request/stage_program.h"
#include "services/train/prepare.h"
#include "trainyard/v1/train.grpc.pb.h"

namespace trainyard::services {
namespace {

using google::longrunning::Operation;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class TrainService final : public StageHandlers<v1::TrainService> {
 public:
  using StageHandlers::StageHandlers;

  ServerUnaryReactor* Train(CallbackServerContext* context, const v1::TrainRequest* request,
                            Operation* response) override {
    return Start(context, request, response);
  }
  ServerUnaryReactor* Evaluate(CallbackServerContext* context, const v1::EvaluateRequest* request,
                               Operation* response) override {
    return Start(context, request, response);
  }
  ServerUnaryReactor* Infer(CallbackServerContext* context, const v1::InferRequest* request,
                            Operation* response) override {
    return Start(context, request, response);
  }
};

}  // namespace

service::ServiceProgram TrainServiceProgram() {
  return StageProgram<TrainService>({
      .service = "train",
      .description = "Trains networks and judges checkpoints.",
      .default_port = 7002,
      .stages = {RowOf(PrepareTrain), RowOf(PrepareEvaluate), RowOf(PrepareInfer)},
      .worker = "trainyard-train-worker",
      // CUDA reserves more than it uses, so a training is bounded only when somebody says how.
      .job_memory = "off",
      .formats = {"kitti", "tfrecords", "tlt", "etlt"},
      .unimplemented = {"training on several GPUs", "quantization-aware training (enable_qat)"},
  });
}

}  // namespace trainyard::services
