//! Changes of CRM records as somebody in the web pages makes them; they raise notifications.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Control, Error, organization};
use crate::crm::module::{Deleted, Module, Person, accepts};
use crate::notify::{self, Change, Operation};
use crate::seed::RecordSeed;
use crate::world::World;

/// What becomes of a record.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordChange {
    /// New values; null empties a field.
    pub fields: Map<String, Value>,
    /// Lock or unlock it for updates through the API.
    pub locked: Option<bool>,
    /// Raise no notification; false.
    pub silent: bool,
}

impl Control {
    /// Creates a record and returns its id.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or module, [`Error::Invalid`] for values that do not fit.
    pub fn create_record(&self, organization_name: &str, module: &str, record: &RecordSeed) -> Result<String, Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let id = module_of(&mut world, organization_name, module)?.create(record, now).map_err(Error::Invalid)?;
        self.raise(&mut world, organization_name, module, Operation::Insert, (id, Vec::new()));
        Ok(id.to_string())
    }

    /// Changes values of a record.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation, module or record, [`Error::Invalid`] for values that do not fit.
    pub fn change_record(
        &self,
        organization_name: &str,
        module: &str,
        id: &str,
        change: &RecordChange,
    ) -> Result<(), Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let target = module_of(&mut world, organization_name, module)?;
        for (name, value) in &change.fields {
            match target.own_field(name) {
                None => return Err(Error::Unknown { what: "field", name: name.clone() }),
                Some(kind) if !accepts(kind, value) => {
                    return Err(Error::Invalid(format!("field {name:?} does not take {value}")));
                }
                Some(_) => {}
            }
        }
        let unknown = || Error::Unknown { what: "record", name: id.to_owned() };
        let number: u64 = id.parse().map_err(|_| unknown())?;
        let record = target.records.get_mut(&number).ok_or_else(unknown)?;
        record.locked = change.locked.unwrap_or(record.locked);
        if change.fields.is_empty() {
            return Ok(());
        }
        record.change(&change.fields, Person::Ann, now);
        if !change.silent {
            let fields = change.fields.keys().cloned().chain(["Modified_Time".to_owned()]).collect();
            self.raise(&mut world, organization_name, module, Operation::Update, (number, fields));
        }
        Ok(())
    }

    /// Deletes a record; it stays visible among the deleted ones.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation, module or record.
    pub fn delete_record(&self, organization_name: &str, module: &str, id: &str) -> Result<(), Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let target = module_of(&mut world, organization_name, module)?;
        let unknown = || Error::Unknown { what: "record", name: id.to_owned() };
        let number: u64 = id.parse().map_err(|_| unknown())?;
        let record = target.records.remove(&number).ok_or_else(unknown)?;
        let name = record.fields.values().find_map(Value::as_str).unwrap_or_default();
        target.deleted.push(Deleted { id: number, display_name: name.to_owned(), at: now });
        self.raise(&mut world, organization_name, module, Operation::Delete, (number, Vec::new()));
        Ok(())
    }

    /// Ends every watch channel of an organisation without telling anybody.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the organisation.
    pub fn expire_channels(&self, organization_name: &str) -> Result<(), Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        for channel in organization(&mut world, organization_name)?.crm.channels.values_mut() {
            channel.expires_ms = channel.expires_ms.min(now);
        }
        Ok(())
    }

    fn raise(
        &self,
        world: &mut World,
        organization_name: &str,
        module: &str,
        operation: Operation,
        record: (u64, Vec<String>),
    ) {
        let now = self.shared.clock.now_ms();
        if let Some(index) = world.organizations.iter().position(|each| *each.name == *organization_name) {
            let change = Change { module, operation, records: &[record] };
            notify::raise(world, index, &change, &self.shared.base, now);
        }
        self.shared.send_notifications(world);
    }
}

fn module_of<'a>(world: &'a mut World, organization_name: &str, module: &str) -> Result<&'a mut Module, Error> {
    let crm = &mut organization(world, organization_name)?.crm;
    crm.module_mut(module).ok_or_else(|| Error::Unknown { what: "module", name: module.to_owned() })
}
