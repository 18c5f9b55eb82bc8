//! A file for an agent, as the form of an HTTP request.

use std::{path::PathBuf, time::Duration};

use axum::{
    Json,
    extract::{
        FromRequest as _, Multipart, Path, Query, Request,
        multipart::{Field, MultipartError},
    },
    http::StatusCode,
    response::IntoResponse as _,
};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    http::{POST_UPLOAD, UploadQuery, Uploaded},
    method::UploadedFile,
};

use super::{Visitor, find_agent, refusal::Refused};
use crate::uploads::{self, Receiving, UploadError};

/// How long a file may take to come.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);

pub(super) async fn post_upload(
    Visitor(c): Visitor,
    Path(session): Path<String>,
    query: Result<Query<UploadQuery>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<Json<Uploaded>, Refused> {
    let directory = c.guard(POST_UPLOAD.method, async {
        let session = find_agent(&c, &session)?;
        let Ok(Query(UploadQuery { to })) = query else {
            let message = "\"to\" is \"agent\" or \"directory\"";
            return Err(RpcError::new(ErrorCode::InvalidParams, message));
        };
        uploads::directory(&session, to).await.map_err(|error| error.to_rpc())
    });
    let directory = directory.await?;
    match tokio::time::timeout(UPLOAD_TIMEOUT, take(request, directory)).await {
        Ok(taken) => taken.map(Json),
        Err(_) => Err(RpcError::new(ErrorCode::InvalidRequest, "the file does not come").into()),
    }
}

/// Takes the file of a form.
async fn take(request: Request, directory: PathBuf) -> Result<Uploaded, Refused> {
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|refused| Refused::Below(Box::new(refused.into_response())))?;
    while let Some(field) = form.next_field().await.map_err(below)? {
        if field.name() == Some("file") {
            let UploadedFile { path, mime_type } = take_file(field, directory).await?;
            return Ok(Uploaded { ok: true, file_path: path, mime_type });
        }
    }
    Err(RpcError::new(ErrorCode::InvalidParams, "the form has no \"file\"").into())
}

async fn take_file(mut field: Field<'_>, directory: PathBuf) -> Result<UploadedFile, Refused> {
    let name = field.file_name().unwrap_or_default().to_owned();
    let mut file = Receiving::begin(directory, &name).await.map_err(|error| refused(&error))?;
    while let Some(chunk) = field.chunk().await.map_err(below)? {
        file.write(&chunk).await.map_err(|error| refused(&error))?;
    }
    file.finish().await.map_err(|error| refused(&error))
}

fn refused(error: &UploadError) -> Refused {
    let told = error.to_rpc();
    match error {
        UploadError::TooLarge => {
            let answer = (StatusCode::PAYLOAD_TOO_LARGE, Json(told));
            Refused::Below(Box::new(answer.into_response()))
        }
        UploadError::TooMuch
        | UploadError::NotText
        | UploadError::Io(_)
        | UploadError::Directory(_) => Refused::Error(told),
    }
}

fn below(error: MultipartError) -> Refused {
    Refused::Below(Box::new(error.into_response()))
}
