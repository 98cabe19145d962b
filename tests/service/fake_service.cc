// A service program whose one stage, `train`, runs the worker named by --worker with the request's
// spec text as its job. The check of the spec "hang in the check" never returns.
#include <unistd.h>

#include <memory>
#include <string>

#include "libs/service/main_support.h"
#include "libs/service/unary.h"
#include "libs/service/worker_job.h"
#include "trainyard/v1/train.grpc.pb.h"

namespace trainyard::service {
namespace {

class TrainHandler final : public v1::TrainService::CallbackService {
 public:
  explicit TrainHandler(Chassis& chassis) : chassis_(chassis) {}
  grpc::ServerUnaryReactor* Train(grpc::CallbackServerContext* context,
                                  const v1::TrainRequest* request, Operation* response) override {
    return Unary(chassis_.pool, context, "Train", response,
                 [this, request] { return chassis_.operations.Start("train", *request); });
  }

 private:
  Chassis& chassis_;
};

ServiceProgram FakeProgram(std::string* program) {
  return {.service = "train",
          .description = "Runs a worker that trains nothing.",
          .bind = [program](Settings& settings) {
            settings.Bind("worker", program, "program to run");
          },
          .factory = [program](Chassis& chassis)
              -> absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>> {
            const Workspace& workspace = chassis.workspace;
            chassis.operations.AddStage(StageOf<v1::TrainRequest>(
                "train", [program, &workspace](const v1::TrainRequest& request)
                             -> absl::StatusOr<StageRun> {
                  while (request.stage().spec_text() == "hang in the check") pause();
                  worker::v1::WorkerJob job;
                  job.set_spec(request.stage().spec_text());
                  job.mutable_train();
                  return StageRun([program, job, &workspace](OperationContext& context) {
                    return RunWorkerJob(context, job,
                                        {.program = *program,
                                         .job_dir = workspace.root() + "/run/.trainyard",
                                         .workspace = &workspace,
                                         .memory_bytes = context.memory()});
                  });
                }));
            std::vector<std::unique_ptr<grpc::Service>> services;
            services.push_back(std::make_unique<TrainHandler>(chassis));
            return services;
          }};
}

}  // namespace
}  // namespace trainyard::service

int main(int argc, char** argv) {
  std::string program;
  return trainyard::service::RunServiceMain(argc, argv,
                                            trainyard::service::FakeProgram(&program));
}
