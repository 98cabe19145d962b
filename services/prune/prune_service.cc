#include "services/prune/prune_service.h"

#include "services/prune/prepare.h"
#include "services/stage_request/stage_program.h"
#include "trainyard/v1/prune.grpc.pb.h"

namespace trainyard::services {
namespace {

using google::longrunning::Operation;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class PruneService final : public StageHandlers<v1::PruneService> {
 public:
  using StageHandlers::StageHandlers;

  ServerUnaryReactor* Prune(CallbackServerContext* context, const v1::PruneRequest* request,
                            Operation* response) override {
    return Start(context, request, response);
  }
};

}  // namespace

service::ServiceProgram PruneServiceProgram() {
  return StageProgram<PruneService>({
      .service = "prune",
      .description = "Removes the channels of a model that matter least.",
      .default_port = 7003,
      .stages = {RowOf(PreparePrune)},
      .formats = {"tlt"},
  });
}

}  // namespace trainyard::services
