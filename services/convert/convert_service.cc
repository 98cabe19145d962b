#include "services/convert/convert_service.h"

#include "services/convert/prepare.h"
#include "services/stage_request/stage_program.h"
#include "trainyard/v1/convert.grpc.pb.h"

namespace trainyard::services {
namespace {

using google::longrunning::Operation;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class ConvertService final : public StageHandlers<v1::ConvertService> {
 public:
  using StageHandlers::StageHandlers;

  ServerUnaryReactor* Convert(CallbackServerContext* context, const v1::ConvertRequest* request,
                              Operation* response) override {
    return Start(context, request, response);
  }
  ServerUnaryReactor* Augment(CallbackServerContext* context, const v1::AugmentRequest* request,
                              Operation* response) override {
    return Start(context, request, response);
  }
};

}  // namespace

service::ServiceProgram ConvertServiceProgram() {
  return StageProgram<ConvertService>({
      .service = "convert",
      .description = "Makes data sets: TFRecord shards and offline augmentation.",
      .default_port = 7001,
      .stages = {RowOf(PrepareConvert), RowOf(PrepareAugment)},
      .formats = {"kitti", "coco", "tfrecords"},
      .unimplemented = {"masks in augmentation (data.include_masks, spatial_aug.rotation.refine_box)"},
  });
}

}  // namespace trainyard::services
