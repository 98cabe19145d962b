#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>

#include <memory>
#include <string>

namespace trainyard::testing {

/// tf.train.Example as TensorFlow describes it, read by protobuf itself: a witness for code that
/// reads and writes the bytes by hand.
class ExampleProto {
 public:
  ExampleProto() : factory_(&pool_) {
    google::protobuf::FileDescriptorProto file;
    google::protobuf::TextFormat::ParseFromString(kFile, &file);
    pool_.BuildFile(file);
  }

  std::unique_ptr<google::protobuf::Message> New() {
    return std::unique_ptr<google::protobuf::Message>(
        factory_.GetPrototype(pool_.FindMessageTypeByName("tensorflow.Example"))->New());
  }

  /// The message in text format; "" when the bytes are no Example.
  std::string TextOf(const std::string& bytes) {
    const auto message = New();
    std::string text;
    if (!message->ParseFromString(bytes)) return "";
    google::protobuf::TextFormat::PrintToString(*message, &text);
    return text;
  }
  std::string BytesOf(const std::string& text) {
    const auto message = New();
    if (!google::protobuf::TextFormat::ParseFromString(text, message.get())) return "";
    return message->SerializeAsString();
  }

 private:
  static constexpr char kFile[] = R"pb(
    name: "example.proto"
    package: "tensorflow"
    syntax: "proto3"
    message_type {
      name: "BytesList"
      field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_BYTES }
    }
    message_type {
      name: "FloatList"
      field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_FLOAT }
    }
    message_type {
      name: "Int64List"
      field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_INT64 }
    }
    message_type {
      name: "Feature"
      oneof_decl { name: "kind" }
      field {
        name: "bytes_list"
        number: 1
        label: LABEL_OPTIONAL
        type: TYPE_MESSAGE
        type_name: ".tensorflow.BytesList"
        oneof_index: 0
      }
      field {
        name: "float_list"
        number: 2
        label: LABEL_OPTIONAL
        type: TYPE_MESSAGE
        type_name: ".tensorflow.FloatList"
        oneof_index: 0
      }
      field {
        name: "int64_list"
        number: 3
        label: LABEL_OPTIONAL
        type: TYPE_MESSAGE
        type_name: ".tensorflow.Int64List"
        oneof_index: 0
      }
    }
    message_type {
      name: "Features"
      field {
        name: "feature"
        number: 1
        label: LABEL_REPEATED
        type: TYPE_MESSAGE
        type_name: ".tensorflow.Features.FeatureEntry"
      }
      nested_type {
        name: "FeatureEntry"
        field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
        field {
          name: "value"
          number: 2
          label: LABEL_OPTIONAL
          type: TYPE_MESSAGE
          type_name: ".tensorflow.Feature"
        }
        options { map_entry: true }
      }
    }
    message_type {
      name: "Example"
      field {
        name: "features"
        number: 1
        label: LABEL_OPTIONAL
        type: TYPE_MESSAGE
        type_name: ".tensorflow.Features"
      }
    })pb";

  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
};

}  // namespace trainyard::testing
