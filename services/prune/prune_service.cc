#include "services/prune/prune_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "libs/models/network.h"
#include "libs/service/unary.h"
#include "services/prune/prepare.h"
#include "trainyard/v1/prune.grpc.pb.h"

namespace trainyard {
namespace {

class PruneService final : public v1::PruneService::CallbackService {
 public:
  explicit PruneService(service::Chassis& chassis) : chassis_(chassis) {}

  grpc::ServerUnaryReactor* Prune(grpc::CallbackServerContext* context,
                                  const v1::PruneRequest* request,
                                  google::longrunning::Operation* response) override {
    return service::Unary(chassis_.pool, context, "prune", response, [this, request] {
      return chassis_.operations.Start("prune", *request);
    });
  }

 private:
  service::Chassis& chassis_;
};

absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>> MakeServices(
    service::Chassis& chassis) {
  const service::Workspace& workspace = chassis.workspace;
  chassis.operations.AddStage(service::StageOf<v1::PruneRequest>(
      "prune", [&workspace](const auto& request) { return PreparePrune(request, workspace); }));
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<PruneService>(chassis));
  return services;
}

v1::GetCapabilitiesResponse Capabilities() {
  v1::GetCapabilitiesResponse capabilities;
  for (const std::string& name : NetworkNames()) capabilities.add_networks(name);
  capabilities.add_stages("prune");
  capabilities.add_formats("tlt");
  return capabilities;
}

}  // namespace

service::ServiceProgram PruneServiceProgram() {
  return {.service = "prune",
          .description = "Removes the channels of a model that matter least.",
          .default_port = 7003,
          .capabilities = Capabilities(),
          .factory = MakeServices};
}

}  // namespace trainyard
