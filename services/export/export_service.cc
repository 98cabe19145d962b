#include "services/export/export_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "libs/models/network.h"
#include "libs/service/unary.h"
#include "services/export/prepare.h"
#include "trainyard/v1/export.grpc.pb.h"

namespace trainyard {
namespace {

class ExportService final : public v1::ExportService::CallbackService {
 public:
  explicit ExportService(service::Chassis& chassis) : chassis_(chassis) {}

  grpc::ServerUnaryReactor* Export(grpc::CallbackServerContext* context,
                                  const v1::ExportRequest* request,
                                  google::longrunning::Operation* response) override {
    return service::Unary(chassis_.pool, context, "export", response, [this, request] {
      return chassis_.operations.Start("export", *request);
    });
  }

 private:
  service::Chassis& chassis_;
};

absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>> MakeServices(
    service::Chassis& chassis) {
  const service::Workspace& workspace = chassis.workspace;
  chassis.operations.AddStage(service::StageOf<v1::ExportRequest>(
      "export", [&workspace](const auto& request) { return PrepareExport(request, workspace); }));
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<ExportService>(chassis));
  return services;
}

v1::GetCapabilitiesResponse Capabilities() {
  v1::GetCapabilitiesResponse capabilities;
  for (const std::string& name : NetworkNames()) capabilities.add_networks(name);
  capabilities.add_stages("export");
  for (const char* format : {"tlt", "etlt", "onnx"}) capabilities.add_formats(format);
  capabilities.add_unimplemented("TensorRT calibration cache and entropy calibration");
  return capabilities;
}

}  // namespace

service::ServiceProgram ExportServiceProgram() {
  return {.service = "export",
          .description = "Turns checkpoints into inference models.",
          .default_port = 7004,
          .capabilities = Capabilities(),
          .factory = MakeServices};
}

}  // namespace trainyard
