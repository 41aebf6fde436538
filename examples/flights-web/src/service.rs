//! The requests, and the server that takes them.

use std::io;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::web::{Data, Json, Path, get, post, resource};
use actix_web::{App, HttpResponse, HttpServer};
use flights_actors::{Flight, Report, Totals};
use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;
use crate::refused::Refused;

/// Takes requests on `listener`, once the server is awaited: with as many workers, each an arbiter of its own.
///
/// Told to stop in order, as SIGTERM does, it answers whatever it has begun with.
pub fn serve(listener: TcpListener, fleet: Data<Fleet>, workers: usize) -> io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(fleet.clone())
            .service(resource("/aircraft/{tail}").route(get().to(totals)))
            .service(resource("/aircraft/{tail}/flights").route(post().to(fly)))
    };
    Ok(HttpServer::new(app).workers(workers).listen(listener)?.run())
}

/// A flight, as a request has it: what is not given is no data.
#[derive(Deserialize)]
struct Flown {
    arr_delay: Option<i32>,
    air_time: Option<i32>,
    distance: Option<i32>,
}

/// An aircraft's totals, as a response has them.
#[derive(Serialize)]
struct Summary {
    flights: u32,
    late: u32,
    arr_delay: i64,
    air_time: i64,
    distance: i64,
}

impl From<Totals> for Summary {
    fn from(Totals { flights, late, arr_delay, air_time, distance, .. }: Totals) -> Summary {
        Summary { flights, late, arr_delay, air_time, distance }
    }
}

/// Answered once the aircraft has counted the flight.
async fn fly(fleet: Data<Fleet>, tail: Path<String>, flown: Json<Flown>) -> Result<HttpResponse, Refused> {
    let Flown { arr_delay, air_time, distance } = flown.into_inner();
    let flight = Flight { arr_delay: arr_delay.into(), air_time: air_time.into(), distance: distance.into() };
    fleet.known_or_new(&tail)?.send(flight).await??;
    Ok(HttpResponse::NoContent().finish())
}

async fn totals(fleet: Data<Fleet>, tail: Path<String>) -> Result<Json<Summary>, Refused> {
    Ok(Json(fleet.known(&tail)?.send(Report).await??.into()))
}
