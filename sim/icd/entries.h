// SPDX-License-Identifier: Apache-2.0
//
// The entry points that the driver implements. Every other slot of the dispatch table is a stub.
#ifndef VB_SIM_ICD_ENTRIES_H
#define VB_SIM_ICD_ENTRIES_H

#include "icd.h"

#define VB_ENTRIES(X)                         \
  X(clGetPlatformIDs)                         \
  X(clGetPlatformInfo)                        \
  X(clGetDeviceIDs)                           \
  X(clGetDeviceInfo)                          \
  X(clCreateContext)                          \
  X(clCreateContextFromType)                  \
  X(clRetainContext)                          \
  X(clReleaseContext)                         \
  X(clGetContextInfo)                         \
  X(clCreateCommandQueue)                     \
  X(clRetainCommandQueue)                     \
  X(clReleaseCommandQueue)                    \
  X(clGetCommandQueueInfo)                    \
  X(clSetCommandQueueProperty)                \
  X(clCreateBuffer)                           \
  X(clRetainMemObject)                        \
  X(clReleaseMemObject)                       \
  X(clGetMemObjectInfo)                       \
  X(clCreateProgramWithSource)                \
  X(clCreateProgramWithBinary)                \
  X(clRetainProgram)                          \
  X(clReleaseProgram)                         \
  X(clBuildProgram)                           \
  X(clUnloadCompiler)                         \
  X(clGetProgramInfo)                         \
  X(clGetProgramBuildInfo)                    \
  X(clCreateKernel)                           \
  X(clCreateKernelsInProgram)                 \
  X(clRetainKernel)                           \
  X(clReleaseKernel)                          \
  X(clSetKernelArg)                           \
  X(clGetKernelInfo)                          \
  X(clGetKernelWorkGroupInfo)                 \
  X(clWaitForEvents)                          \
  X(clGetEventInfo)                           \
  X(clRetainEvent)                            \
  X(clReleaseEvent)                           \
  X(clGetEventProfilingInfo)                  \
  X(clFlush)                                  \
  X(clFinish)                                 \
  X(clEnqueueReadBuffer)                      \
  X(clEnqueueWriteBuffer)                     \
  X(clEnqueueCopyBuffer)                      \
  X(clEnqueueMapBuffer)                       \
  X(clEnqueueUnmapMemObject)                  \
  X(clEnqueueNDRangeKernel)                   \
  X(clEnqueueTask)                            \
  X(clEnqueueMarker)                          \
  X(clEnqueueWaitForEvents)                   \
  X(clEnqueueBarrier)                         \
  X(clGetExtensionFunctionAddress)            \
  X(clSetEventCallback)                       \
  X(clCreateSubBuffer)                        \
  X(clSetMemObjectDestructorCallback)         \
  X(clCreateUserEvent)                        \
  X(clSetUserEventStatus)                     \
  X(clEnqueueReadBufferRect)                  \
  X(clEnqueueWriteBufferRect)                 \
  X(clEnqueueCopyBufferRect)                  \
  X(clCreateSubDevices)                       \
  X(clRetainDevice)                           \
  X(clReleaseDevice)                          \
  X(clCreateProgramWithBuiltInKernels)        \
  X(clCompileProgram)                         \
  X(clLinkProgram)                            \
  X(clUnloadPlatformCompiler)                 \
  X(clGetKernelArgInfo)                       \
  X(clEnqueueFillBuffer)                      \
  X(clEnqueueMigrateMemObjects)               \
  X(clEnqueueMarkerWithWaitList)              \
  X(clEnqueueBarrierWithWaitList)             \
  X(clGetExtensionFunctionAddressForPlatform) \
  X(clCreateCommandQueueWithProperties)

// The same type as the public function, so the compiler checks every definition.
#define VB_DECLARE(name) extern __typeof__(name) vb_##name;
VB_ENTRIES(VB_DECLARE)
#undef VB_DECLARE

#endif // VB_SIM_ICD_ENTRIES_H
