#include "services/export/export_service.h"

#include "services/export/prepare.h"
#include "services/stage_request/stage_program.h"
#include "trainyard/v1/export.grpc.pb.h"

namespace trainyard::services {
namespace {

using google::longrunning::Operation;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class ExportService final : public StageHandlers<v1::ExportService> {
 public:
  using StageHandlers::StageHandlers;

  ServerUnaryReactor* Export(CallbackServerContext* context, const v1::ExportRequest* request,
                             Operation* response) override {
    return Start(context, request, response);
  }
};

}  // namespace

service::ServiceProgram ExportServiceProgram() {
  return StageProgram<ExportService>({
      .service = "export",
      .description = "Turns checkpoints into inference models.",
      .default_port = 7004,
      .stages = {RowOf(PrepareExport)},
      .formats = {"tlt", "etlt", "onnx"},
      .unimplemented = {"TensorRT calibration cache and entropy calibration"},
  });
}

}  // namespace trainyard::services
