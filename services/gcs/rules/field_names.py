"""The names of fields in Google's answers, as the parameter `fields` may select them: those of its Discovery document.

https://www.googleapis.com/discovery/v1/apis/storage/v1/rest, revision 20261009; `*` stands for any name.
"""

from __future__ import annotations

OBJECT = (
    "acl(bucket,domain,email,entity,entityId,etag,generation,id,kind,object,projectTeam(projectNumber,team),role,"
    "selfLink),bucket,cacheControl,componentCount,contentDisposition,contentEncoding,contentLanguage,contentType,"
    "contexts(custom(*)),crc32c,customTime,customerEncryption(encryptionAlgorithm,keySha256),etag,eventBasedHold,"
    "generation,hardDeleteTime,id,kind,kmsKeyName,md5Hash,mediaLink,metadata(*),metageneration,name,owner(entity,"
    "entityId),restoreToken,retention(mode,retainUntilTime),retentionExpirationTime,selfLink,size,softDeleteTime,"
    "storageClass,temporaryHold,timeCreated,timeDeleted,timeFinalized,timeStorageClassUpdated,updated"
)
BUCKET = (
    "acl(bucket,domain,email,entity,entityId,etag,id,kind,projectTeam(projectNumber,team),role,selfLink),"
    "autoclass(enabled,terminalStorageClass,terminalStorageClassUpdateTime,toggleTime),billing(requesterPays),"
    "cors(maxAgeSeconds,method,origin,responseHeader),customPlacementConfig(dataLocations),defaultEventBasedHold,"
    "defaultObjectAcl(bucket,domain,email,entity,entityId,etag,generation,id,kind,object,"
    "projectTeam(projectNumber,team),role,selfLink),"
    "encryption(customerManagedEncryptionEnforcementConfig(effectiveTime,restrictionMode),"
    "customerSuppliedEncryptionEnforcementConfig(effectiveTime,restrictionMode),defaultKmsKeyName,"
    "googleManagedEncryptionEnforcementConfig(effectiveTime,restrictionMode)),etag,generation,hardDeleteTime,"
    "hierarchicalNamespace(enabled),iamConfiguration(bucketPolicyOnly(enabled,lockedTime),publicAccessPrevention,"
    "uniformBucketLevelAccess(enabled,lockedTime)),id,ipFilter(allowAllServiceAgentAccess,allowCrossOrgVpcs,mode,"
    "publicNetworkSource(allowedIpCidrRanges),vpcNetworkSources(allowedIpCidrRanges,network)),kind,labels(*),"
    "lifecycle(rule(action(storageClass,type),condition(age,createdBefore,customTimeBefore,daysSinceCustomTime,"
    "daysSinceNoncurrentTime,isLive,matchesPattern,matchesPrefix,matchesStorageClass,matchesSuffix,"
    "noncurrentTimeBefore,numNewerVersions,sizeAboveBytes,sizeBelowBytes))),location,locationType,"
    "logging(logBucket,logObjectPrefix),metageneration,name,objectRetention(mode),owner(entity,entityId),"
    "projectNumber,retentionPolicy(effectiveTime,isLocked,retentionPeriod),rpo,satisfiesPZI,satisfiesPZS,"
    "selfLink,softDeletePolicy(effectiveTime,hardDeletePause(effectiveTime,enabled),retentionDurationSeconds),"
    "softDeleteTime,storageClass,timeCreated,updated,versioning(enabled),website(mainPageSuffix,notFoundPage)"
)
OBJECT_ACL = (
    "bucket,domain,email,entity,entityId,etag,generation,id,kind,object,projectTeam(projectNumber,team),role,selfLink"
)
BUCKET_ACL = "bucket,domain,email,entity,entityId,etag,id,kind,projectTeam(projectNumber,team),role,selfLink"
HMAC_KEY = "accessId,etag,id,kind,projectId,selfLink,serviceAccountEmail,state,timeCreated,updated"
NOTIFICATION = "custom_attributes(*),etag,event_types,id,kind,object_name_prefix,payload_format,selfLink,topic"
OBJECTS = f"kind,nextPageToken,prefixes,items({OBJECT})"
BUCKETS = f"kind,nextPageToken,unreachable,items({BUCKET})"
REWRITE = f"done,kind,objectSize,rewriteToken,totalBytesRewritten,resource({OBJECT})"
POLICY = "bindings(condition(description,expression,location,title),members,role),etag,kind,resourceId,version"
ANSWERS = {
    "GET /b/?": BUCKETS,
    "POST /b/?": BUCKET,
    "(GET|PATCH|PUT) /b/[^/]+/?": BUCKET,
    "POST /b/[^/]+/(restore|lockRetentionPolicy)": BUCKET,
    "(GET|PUT) /b/[^/]+/iam": POLICY,
    "GET /b/[^/]+/acl": f"items({BUCKET_ACL}),kind",
    "GET /b/[^/]+/(defaultObjectAcl|o/[^/]+/acl)": f"items({OBJECT_ACL}),kind",
    "GET /b/[^/]+/notificationConfigs": f"items({NOTIFICATION}),kind",
    "GET /projects/[^/]+/hmacKeys": f"items({HMAC_KEY}),kind,nextPageToken",
    "GET /b/[^/]+/o/?": OBJECTS,
    "(POST|PUT) /b/[^/]+/o/?": OBJECT,
    "(GET|PATCH|PUT) /b/[^/]+/o/[^/]+": OBJECT,
    "POST /b/[^/]+/o/[^/]+/(restore|compose)": OBJECT,
    "POST /b/[^/]+/o/[^/]+/(copyTo/b/[^/]+|moveTo)/o/[^/]+": OBJECT,
    "POST /b/[^/]+/o/[^/]+/rewriteTo/b/[^/]+/o/[^/]+": REWRITE,
}
"""What the answers to calls hold, by method and path."""
