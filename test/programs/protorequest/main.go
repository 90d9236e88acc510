// protorequest: what protoc hands to protoc-gen-go for descriptor.proto and plugin.proto, which hold every kind of
// declaration of proto2, and for struct.proto, of proto3.
package main

import (
	"log"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{"google/protobuf/descriptor.proto", "google/protobuf/compiler/plugin.proto",
			"google/protobuf/struct.proto"},
		ProtoFile: []*descriptorpb.FileDescriptorProto{
			protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto),
			protodesc.ToFileDescriptorProto(pluginpb.File_google_protobuf_compiler_plugin_proto),
			protodesc.ToFileDescriptorProto(structpb.File_google_protobuf_struct_proto),
		},
	}
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err == nil {
		_, err = os.Stdout.Write(bytes)
	}
	if err != nil {
		log.Fatal(err)
	}
}
