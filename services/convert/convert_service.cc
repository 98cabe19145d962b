#include "services/convert/convert_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "libs/models/network.h"
#include "libs/service/unary.h"
#include "services/convert/prepare.h"
#include "trainyard/v1/convert.grpc.pb.h"

namespace trainyard {
namespace {

using google::longrunning::Operation;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class ConvertService final : public v1::ConvertService::CallbackService {
 public:
  explicit ConvertService(service::Chassis& chassis) : chassis_(chassis) {}

  ServerUnaryReactor* Convert(CallbackServerContext* context, const v1::ConvertRequest* request,
                              Operation* response) override {
    return Start(context, "convert", request, response);
  }
  ServerUnaryReactor* Augment(CallbackServerContext* context, const v1::AugmentRequest* request,
                              Operation* response) override {
    return Start(context, "augment", request, response);
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
  chassis.operations.AddStage(service::StageOf<v1::ConvertRequest>(
      "convert",
      [&workspace](const auto& request) { return PrepareConvert(request, workspace); }));
  chassis.operations.AddStage(service::StageOf<v1::AugmentRequest>(
      "augment",
      [&workspace](const auto& request) { return PrepareAugment(request, workspace); }));
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<ConvertService>(chassis));
  return services;
}

v1::GetCapabilitiesResponse Capabilities() {
  v1::GetCapabilitiesResponse capabilities;
  for (const std::string& name : NetworkNames()) capabilities.add_networks(name);
  for (const char* stage : {"convert", "augment"}) capabilities.add_stages(stage);
  for (const char* format : {"kitti", "tfrecords"}) capabilities.add_formats(format);
  capabilities.add_unimplemented("COCO conversion (coco_config)");
  capabilities.add_unimplemented("sequence partitions (partition_mode: \"sequence\")");
  capabilities.add_unimplemented("YAML augmentation specs and COCO augmentation");
  return capabilities;
}

}  // namespace

service::ServiceProgram ConvertServiceProgram() {
  return {.service = "convert",
          .description = "Makes data sets: TFRecord shards and offline augmentation.",
          .default_port = 7001,
          .capabilities = Capabilities(),
          .factory = MakeServices};
}

}  // namespace trainyard
